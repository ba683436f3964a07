"""`score_corpus.py`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpoints.commands import STATUS, guarded
from checkpoints.homes import add_generated
from telling.answers import Answer
from telling.grammar import Parser
from telling.tools import named

from selection.errors import SelectionError
from selection.options import add_form, check_counts, form_of
from selection.values import DTYPES, LOGIT, PROB, REJECT, STYLES, TRUNCATE


if TYPE_CHECKING:
    from selection.scoring import Step


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    args = _parser().parse_args(argv)
    return guarded(_score, args, args.output)


def _score(args: argparse.Namespace) -> Answer:
    check_counts(args, "batch_tokens", "shard_size", "max_length")
    # late: torch takes seconds, which the help and a wrong option do without, and pyarrow may not be installed
    from selection.conversion import convert_router_data
    from selection.corpus import Corpus, check_readable
    from selection.forward import Scorer
    from selection.models import load
    from selection.scoring import ScoringOptions, score_corpus

    if args.router_data:
        converted = convert_router_data(args.router_data, args.output, args.gate_space, args.alpha, args.shard_size)
        return _answer(args.output, converted, heard=True)
    if not args.model or not args.data:
        raise SelectionError("--model" if not args.model else "--data", "is not given", "see --help")
    rank, world, device = _process(args.device)
    corpus = Corpus(tuple(args.data), form_of(args))
    corpus.check()  # what is not there is said before a model is loaded,
    check_readable(corpus)  # and so is a column or a form that holds no text
    loaded = load(args.model, args.dtype, device, args.base, args.generated)
    scorer = Scorer(loaded, not args.no_perplexity, args.alpha, args.router, args.tokens)
    options = ScoringOptions(
        args.max_length or loaded.longest,
        args.over_long,
        args.style,
        args.batch_tokens,
        args.shard_size,
        args.dtype,
        args.alpha,
        not args.no_perplexity,
        args.router,
        args.tokens,
    )
    bar = Bar(args.quiet or rank > 0)
    try:
        manifest = score_corpus(corpus, scorer, options, args.output, rank, world, bar.tell)
    finally:
        bar.stop()
    return _answer(args.output, manifest, heard=manifest is not None if args.json else True)


def _answer(output: Path, manifest: dict[str, Any] | None, heard: bool) -> Answer:
    """Of several processes, the one that ends the corpus has the document."""
    totals = {} if manifest is None else {**manifest["totals"], "shards": manifest["shards"]}
    document = {"output": output, "complete": manifest is not None, **totals}
    return Answer(words=_summary(output, manifest), document=document, heard=heard)


def _process(device: str) -> tuple[int, int, str]:
    """Number of this process, how many there are, its device: as torchrun and `accelerate launch` tell them."""
    import torch

    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if device != "auto":
        return rank, world, device
    local = int(os.environ.get("LOCAL_RANK", 0))
    return rank, world, f"cuda:{local}" if torch.cuda.is_available() else "cpu"


def _summary(output: Path, manifest: dict[str, Any] | None) -> str:
    if manifest is None:
        return f"{output}: this process is done, others are not"
    totals = manifest["totals"]
    rejects = ", ".join(f"{count} {reason}" for reason, count in totals["rejects"].items()) or "none"
    padding = 1 - totals["tokens"] / max(totals["padded_tokens"], 1)
    speed = totals["tokens"] / max(totals["seconds"], 1e-9)
    return (
        f"{output}: {totals['documents']} of {totals['records']} records scored, rejects: {rejects}; "
        f"{totals['tokens']} tokens, {speed:.0f} tokens/s, {padding:.1%} padding, {manifest['shards']} shards"
    )


def time_left(seconds: float, first: float, share: float) -> str:
    """How long the rest takes if it goes on as it went: from one share of the corpus to another in so many seconds."""
    if share <= first:
        return "time left unknown"
    left = round(seconds * (1 - share) / (share - first))
    return f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"


class Bar:
    """Documents and tokens in a second, on a terminal."""

    def __init__(self, quiet: bool) -> None:
        self._began, self._documents, self._tokens = time.perf_counter(), 0, 0
        self._first: float | None = None  # the share of the corpus that was done before
        self._bar = None
        if sys.stderr.isatty() and not quiet:
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._bar.add_task("reading", total=None)

    def tell(self, step: Step) -> None:
        """A batch was scored."""
        self._documents += step.documents
        self._tokens += step.tokens
        self._first = step.began if self._first is None else self._first
        if self._bar:
            self._bar.update(self._bar.task_ids[0], description=self.line(step, time.perf_counter() - self._began))

    def line(self, step: Step, seconds: float) -> str:
        """What is said after so many seconds."""
        text = f"shard {step.shard}: {self._documents} documents, {self._documents / seconds:.1f} documents/s, "
        return f"{text}{self._tokens / seconds:.0f} tokens/s, {time_left(seconds, self._first or 0.0, step.share)}"

    def stop(self) -> None:
        """Nothing follows."""
        if self._bar:
            self._bar.stop()


def _parser() -> Parser:
    words = "Score every document of a corpus with a gated model. The same command goes on where it stopped."
    parser = Parser(prog=named("score"), description=words, epilog=STATUS)
    add = parser.add_argument
    add("--model", metavar="RUN_OR_CHECKPOINT", help=f"a run of {named('train')}, or a gated checkpoint")
    add("--base", metavar="CHECKPOINT", help="the gated checkpoint of a run, where that is not where it was")
    add(
        "--data",
        nargs="+",
        metavar="DATA",
        help=".jsonl, .json, .parquet or .csv, a folder, a data set's name",
    )
    add("--output", required=True, type=Path, metavar="DIR", help="the folder of the scores")
    add_generated(parser)
    add(
        "--router-data",
        type=Path,
        metavar="DIR",
        help="scores of the original project, in place of --model and --data",
    )
    add("--gate-space", choices=(LOGIT, PROB), help="what its gates are, where the files do not say")
    add_form(parser)
    add("--max-length", type=int, metavar="N", help="tokens of a document (default: the model's, 4096 at most)")
    add(
        "--over-long",
        default=REJECT,
        choices=(REJECT, TRUNCATE),
        help="what becomes of longer documents (%(default)s)",
    )
    add("--style", default=STYLES[0], choices=STYLES, help="how messages are written (default: as in training)")
    add(
        "--batch-tokens", type=int, default=4096, metavar="N", help="tokens of a batch, padding included (%(default)s)"
    )
    add("--shard-size", type=int, default=4096, metavar="N", help="records of a shard (%(default)s)")
    add("--dtype", default="float32", choices=DTYPES, help="type of the weights (%(default)s)")
    add("--device", default="auto", help="where it runs: cpu, cuda, cuda:1 (default: a GPU if there is one)")
    add(
        "--alpha",
        type=float,
        default=1.0,
        metavar="X",
        help="power of the perplexity as a token's weight (%(default)s)",
    )
    add("--no-perplexity", action="store_true", help="do not run the head: all tokens weigh the same")
    add("--router", action="store_true", help="keep what routers of a base with experts say, for clusters")
    add("--tokens", action="store_true", help="keep every token's logits and loss")
    return parser
