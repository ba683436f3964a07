"""Choose among scored documents as a command line asks: all that comes of it, in a new folder."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml
from checkpoints.staging import Staging
from files.writing import write_file
from telling.answers import Answer

from selection.audit import audit
from selection.budgets import Budget
from selection.choosing import Selection, SelectOptions, select
from selection.chosen_files import DROPPED_FILE, KEPT_FILE, TEXTS, summary_of, write_texts, write_verdicts
from selection.corpus import scored_corpus
from selection.errors import SelectionError
from selection.options import check_counts, share_of
from selection.page import page
from selection.shards import fingerprint, read_folder
from selection.table import Scores
from selection.values import FARTHEST, METHODS


SUMMARY, CONFIG, AUDIT, PAGE = "summary.json", "selection_config.yaml", "audit.json", "audit.html"
_NAMES = (KEPT_FILE, DROPPED_FILE, TEXTS, f"{TEXTS}.part", SUMMARY, CONFIG, AUDIT, PAGE)


def select_data(args: argparse.Namespace) -> Answer:
    """Choose, and write what was chosen, with an audit.

    Args:
        args: of `select_data.py`.

    Raises:
        SelectionError: an option makes no sense, the output is not new, or the scores or the corpus cannot be read.
    """
    began, started = time.perf_counter(), datetime.now(UTC)
    budget, keep = _budget(args)
    manifest, scores = read_folder(args.scores)
    if args.output.exists() and (not args.output.is_dir() or any(args.output.iterdir())):
        raise SelectionError(args.output, "is there already, and not empty", "remove it, or choose another --output")
    if not scores.rows:
        raise SelectionError(args.scores, "holds no document: every record was a reject", "see its rejects-*.jsonl")
    known = float(manifest["options"]["alpha"]) if manifest["options"].get("perplexity", True) else 0.0
    options = SelectOptions(
        budget,
        args.method,
        known if args.alpha is None else args.alpha,
        args.eps,
        args.tau,
        args.seed,
        args.clusters,
        args.features,
        _quotas(args.quota),
    )
    selection = select(scores, options, known)
    corpus = None if args.no_texts else scored_corpus(manifest, args.data or ())
    with Staging(
        args.output, fingerprint({"scores": manifest["fingerprint"], "at": time.time_ns()}), _NAMES
    ) as staging:
        write_verdicts(staging.folder, scores, selection)
        if corpus is not None:
            write_texts(staging.folder / TEXTS, corpus, scores, selection, by_name="router_data" in manifest)
        summary = summary_of(selection, manifest, asdict(options), keep, time.perf_counter() - began)
        numbers = audit(selection.chosen, manifest["totals"], args.seed)
        _write(staging.folder, SUMMARY, _json(summary))
        _write(staging.folder, AUDIT, _json(numbers))
        _write(staging.folder, PAGE, page(numbers, summary))
        _write(staging.folder, CONFIG, _config(args, options, keep, started, time.perf_counter() - began))
        staging.publish()
    document = {"output": args.output, "kept": int(selection.chosen.kept.sum()), **summary}
    return Answer(words=_said(args, selection, summary, scores), document=document)


def _said(args: argparse.Namespace, selection: Selection, summary: Mapping[str, Any], scores: Scores) -> str:
    kept = int(selection.chosen.kept.sum())
    cut = "none" if selection.cut is None else f"{selection.cut:.6g}"
    return (
        f"{args.output}: {kept} of {scores.rows} documents kept by {args.method}, {summary['kept_tokens']} of "
        f"{summary['tokens']} tokens, lowest score {cut}, {summary['seconds']:.1f} s; audit: {args.output / PAGE}"
    )


def _budget(args: argparse.Namespace) -> tuple[Budget, str]:
    """What is kept, and that in words."""
    if args.keep is not None:
        if share_of(args.keep) is None:
            raise SelectionError("--keep", f"is {args.keep!r}", "give a share from 0 to 1, such as 0.3")
        return Budget(ratio=args.keep), f"ratio {args.keep}"
    check_counts(args, "count", "token_budget", least=0)
    if args.count is not None:
        return Budget(count=args.count), f"count {args.count}"
    if args.token_budget is not None:
        return Budget(tokens=args.token_budget), f"tokens {args.token_budget}"
    if args.method == FARTHEST:
        raise SelectionError("--method farthest", "needs to know how many are kept", "give --keep or --count")
    if args.threshold != args.threshold:
        raise SelectionError("--threshold", "is not a number", "give a number")
    return Budget(threshold=args.threshold), f"threshold {args.threshold:g}"


def _quotas(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for each in given:
        name, mark, value = each.rpartition("=")
        if not mark or not name:
            raise SelectionError(
                f"--quota {each}", "is not a quota", "give SOURCE=NUMBER or SOURCE=SHARE, as in web=0.5"
            )
        found[name] = value
    return found


def _config(args: argparse.Namespace, options: SelectOptions, keep: str, started: datetime, seconds: float) -> str:
    """What was asked for, in the form of the original project's file."""
    end = datetime.now(UTC)
    document = {
        "selection_metadata": {
            "script_name": "select_data.py",
            "execution_time": {
                "start": started.isoformat(),
                "end": end.isoformat(),
                "duration_seconds": round(seconds, 3),
            },
        },
        "selection_parameters": {
            "selection_percentage": float(Fraction(args.keep)) if args.keep is not None else None,
            "keep": keep,
            "method": "quality_based" if options.method == METHODS[0] else options.method,
            "alpha": options.alpha,
            "eps": options.eps,
            "tau": options.tau,
            "seed": options.seed,
            "quotas": dict(options.quotas),
        },
        "paths": {
            "scores": str(args.scores),
            "selected_data_path": str(args.output / TEXTS),
            "data_dir": args.data or "auto-inferred",
        },
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _write(folder: Path, name: str, text: str) -> None:
    write_file(folder / name, [text.encode("utf-8", "backslashreplace")])


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
