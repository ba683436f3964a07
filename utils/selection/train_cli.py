"""`train_gates.py`."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from checkpoints.commands import STATUS, guarded
from checkpoints.homes import add_generated
from telling.answers import Answer
from telling.grammar import Parser
from telling.tools import named

from selection.errors import SelectionError
from selection.options import add_form, check_counts, form_of, share_of
from selection.values import CONFIG, FULL_RANK, GATES, LORA, METRICS, MODEL, ORIGINAL_GATES


_OURS = {CONFIG, GATES, MODEL, ORIGINAL_GATES, METRICS, "adapter", "training_args.bin", "tokenizer.json"}
_OF_TOKENIZERS = re.compile(r"(tokenizer|special_tokens|added_tokens|vocab|merges|chat_template|model\.partial).*")


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    args = _parser().parse_args(argv)
    return guarded(_train, args, args.output)


def _train(args: argparse.Namespace) -> Answer:
    _check(args)
    from selection.corpus import Corpus  # late: pyarrow may not be installed

    Corpus((*args.data, *args.target_data), args.format).check()  # before anything is written
    args.output.mkdir(parents=True, exist_ok=True)
    foreign = sorted(p.name for p in args.output.iterdir() if p.name not in _OURS and not _OF_TOKENIZERS.match(p.name))
    if foreign:
        raise SelectionError(
            args.output, f"contains {foreign[0]}, which this command did not create", "choose another --output"
        )
    if (args.output / CONFIG).exists():
        raise SelectionError(args.output, "holds a run that is complete", "choose another --output, or remove it")
    # late: torch takes seconds, which the help and a wrong option do without
    from selection.models import load_for_training
    from selection.samples import SampleOptions, gather
    from selection.training import TrainOptions, check_targets, train

    loaded, home = load_for_training(args.model, args.output, generated=args.generated)
    for name, value in (("quality_loss_weight", args.loss_weight), ("quality_loss_balance", args.balance)):
        if value is not None:
            setattr(loaded.model.config.get_text_config(), name, value)
    if args.target_data:
        check_targets(loaded)
    sampling = SampleOptions(
        args.max_length, args.subset, args.seed, form_of(args), not args.assistant_only, not args.keep_tags
    )
    samples = gather(args.data, args.target_data, loaded.tokenize, loaded.end, sampling)
    options = TrainOptions(
        args.mode,
        args.epochs,
        args.max_steps,
        args.batch,
        args.device_batch,
        args.rate,
        args.lora_rank,
        args.lora_alpha,
        args.gradient_checkpointing,
        args.seed,
    )
    resolved = {"model": args.model, "gated_model": home, "data": args.data, "target_data": args.target_data}
    metrics = train(loaded, samples, options, args.output, {**resolved, **asdict(sampling)})
    left = ", ".join(f"{count} {reason}" for reason, count in samples.left_out.items()) or "none"
    said = (
        f"{args.output}: {len(loaded.layers)} gates trained on {len(samples.samples)} samples {samples.targets}, "
        f"left out: {left}; loss {metrics['train_loss']:.4f}, {metrics['train_runtime']:.0f} s"
    )
    document = {
        "output": args.output,
        "gated_model": home,
        "gates": len(loaded.layers),
        "samples": len(samples.samples),
        "targets": samples.targets,
        "left_out": samples.left_out,
        "loss": metrics["train_loss"],
        "seconds": metrics["train_runtime"],
    }
    return Answer(words=said, document=document, heard=int(os.environ.get("RANK", 0)) == 0)


def _check(args: argparse.Namespace) -> None:
    if not args.data and not args.target_data:
        raise SelectionError("--data", "is not given", "give --data, --target-data or both")
    if not share_of(args.subset):
        raise SelectionError("--subset", f"is {args.subset!r}", "give a share above 0, and 1 at most")
    check_counts(args, "batch", "device_batch", "max_length", "lora_rank")
    if args.loss_weight is not None and not 0 <= args.loss_weight < float("inf"):
        raise SelectionError("--loss-weight", f"is {args.loss_weight}", "give 0 or more")
    if args.balance is not None and not 0 <= args.balance <= 2:
        raise SelectionError("--balance", f"is {args.balance}", "give a number from 0 to 2")


def _parser() -> Parser:
    words = "Train the gates of a model, and nothing else, on any corpus."
    parser = Parser(prog=named("train"), description=words, epilog=STATUS)
    add = parser.add_argument
    add("--model", required=True, metavar="CHECKPOINT", help="a gated checkpoint, or a base, which is gated first")
    add(
        "--data",
        nargs="+",
        default=[],
        metavar="DATA",
        help=".jsonl, .json, .parquet, .csv, a folder, a data set's name",
    )
    add(
        "--target-data",
        nargs="+",
        default=[],
        metavar="DATA",
        help="data of the quality to train for, all of which is taken",
    )
    add("--output", required=True, type=Path, metavar="RUN", help="the folder of the run")
    add_form(parser)
    add("--mode", default=FULL_RANK, choices=(FULL_RANK, LORA), help="the gates' weights, or LoRA on them")
    add("--subset", default="1", metavar="RATIO", help="the share of every file of --data that is taken (%(default)s)")
    add("--max-length", type=int, default=1024, metavar="N", help="tokens of a sample at most (%(default)s)")
    add("--assistant-only", action="store_true", help="labels for what assistants say, and for nothing else")
    add("--keep-tags", action="store_true", help="labels for the tags of messages, too (see docs/selection.md)")
    add("--epochs", type=float, default=2, metavar="N", help="how often the data is gone through (%(default)s)")
    add("--max-steps", type=int, default=-1, metavar="N", help="how many steps, in place of --epochs")
    add("--batch", type=int, default=16, metavar="N", help="samples of a step, over all processes (%(default)s)")
    add("--device-batch", type=int, default=1, metavar="N", help="samples at a time in a process (%(default)s)")
    add("--rate", type=float, default=3e-4, metavar="X", help="learning rate (%(default)s)")
    add("--loss-weight", type=float, metavar="X", help="quality_loss_weight (default: the checkpoint's)")
    add("--balance", type=float, metavar="X", help="quality_loss_balance (default: the checkpoint's)")
    add("--lora-rank", type=int, default=16, metavar="N", help="rank of LoRA (%(default)s)")
    add("--lora-alpha", type=int, default=64, metavar="N", help="alpha of LoRA (%(default)s)")
    add("--gradient-checkpointing", action="store_true", help="use less memory and more time")
    add_generated(parser)
    add("--seed", type=int, default=42, help="seed of samples and of new weights (%(default)s)")
    return parser
