"""What a selection is written as: kept and dropped documents with reasons, the texts that are kept, the summary."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from selection.budgets import KEPT, REASONS
from selection.choosing import Selection
from selection.corpus import Corpus, entries
from selection.errors import SelectionError
from selection.records import as_record
from selection.table import Scores
from selection.values import Document


KEPT_FILE, DROPPED_FILE, TEXTS = "kept.parquet", "dropped.parquet", "selected_data.jsonl"
_COLUMNS = ("position", "id", "source", "tokens", "perplexity", "quality")
_SCHEMA = pa.schema(
    [
        ("position", pa.int64()),
        ("id", pa.string()),
        ("source", pa.string()),
        ("tokens", pa.int32()),
        ("perplexity", pa.float32()),
        ("raw_quality", pa.float32()),
        ("score", pa.float64()),
        ("rank", pa.int64()),
        ("reason", pa.dictionary(pa.int8(), pa.string())),
    ]
)


def write_verdicts(folder: Path, scores: Scores, selection: Selection) -> None:
    """Every document in one of two files, in the order of the corpus: its score, its rank (0 is best) and the reason."""
    ranks = np.empty(scores.rows, np.int64)
    ranks[selection.chosen.order] = np.arange(scores.rows)
    names = pa.array(REASONS)
    with ExitStack() as stack:
        kept, dropped = (
            stack.enter_context(pq.ParquetWriter(folder / name, _SCHEMA, compression="zstd"))
            for name in (KEPT_FILE, DROPPED_FILE)
        )
        row = 0
        for path in scores.files:
            file = stack.enter_context(pq.ParquetFile(path))
            for batch in file.iter_batches(columns=list(_COLUMNS)):
                here = slice(row, row + batch.num_rows)
                row += batch.num_rows
                reasons = pa.DictionaryArray.from_arrays(pa.array(selection.reasons[here]), names)
                added = [pa.array(selection.chosen.quality[here]), pa.array(ranks[here]), reasons]
                columns = [batch.column(name) for name in _COLUMNS]
                table = pa.RecordBatch.from_arrays([*columns, *added], schema=_SCHEMA)
                mine = pa.array(selection.reasons[here] == REASONS.index(KEPT))
                kept.write_batch(table.filter(mine))
                dropped.write_batch(table.filter(pc.invert(mine)))
            file.close()


def write_texts(path: Path, corpus: Corpus, scores: Scores, selection: Selection, by_name: bool = False) -> int:
    """The kept documents as JSONL, best first, each with its score; returns how many.

    The corpus is read once more, so that texts need no memory; then lines are put in order.

    Args:
        path: the file, in the folder of the selection.
        corpus: what was scored.
        scores: its scores.
        selection: which documents are kept.
        by_name: whether ids alone say which document is which, and not the place in the corpus.

    Raises:
        SelectionError: the corpus is not the one that was scored.
    """
    count = int(selection.chosen.kept.sum())
    unsorted = path.with_name(f"{path.name}.part")
    offsets, rows = np.zeros(count + 1, np.int64), np.zeros(count, np.int64)
    lines = _lines_by_name if by_name else _lines
    with open(unsorted, "wb") as file:
        written = 0
        for written, (row, line) in enumerate(lines(corpus, scores, selection), 1):
            file.write(line)
            rows[written - 1] = row
            offsets[written] = offsets[written - 1] + len(line)
    if written != count:
        message = f"has {written} of the {count} documents that are kept"
        raise SelectionError(", ".join(corpus.data), message, "give the corpus that was scored, with --data")
    ranks = np.empty(scores.rows, np.int64)
    ranks[selection.chosen.order] = np.arange(scores.rows)
    with open(unsorted, "rb") as source, open(path, "wb") as target:
        _in_order(source, target, offsets, np.argsort(ranks[rows]))
    unsorted.unlink()
    return count


def _lines(corpus: Corpus, scores: Scores, selection: Selection) -> Iterator[tuple[int, bytes]]:
    """The kept documents in the order of the corpus, with their rows in the scores."""
    wanted = _wanted(scores, selection)
    row, position, name = next(wanted, (-1, -1, ""))
    for entry in entries(corpus):
        if entry.position != position:
            continue
        if not isinstance(entry.found, Document) or entry.found.id != name:
            message = f"record {position} is {entry.found.id!r}, and {name!r} was scored there"
            raise SelectionError(entry.place, message, "give the corpus that was scored, or score this one")
        yield row, _line(entry.found, selection, row)
        row, position, name = next(wanted, (-1, -1, ""))


def _lines_by_name(corpus: Corpus, scores: Scores, selection: Selection) -> Iterator[tuple[int, bytes]]:
    """The kept documents by their ids, for scores of which nobody knows where in a corpus they are."""
    wanted: dict[str, int] = {}
    for row, _, name in _wanted(scores, selection):
        if wanted.setdefault(name, row) != row:
            fix = "leave the texts out (--no-texts), and join them by data set and id"
            raise SelectionError(scores.folder, f"two kept documents are called {name!r}", fix)
    for entry in entries(corpus):
        if isinstance(entry.found, Document) and entry.found.id in wanted:
            row = wanted.pop(entry.found.id)
            yield row, _line(entry.found, selection, row)


def _line(document: Document, selection: Selection, row: int) -> bytes:
    line = {**as_record(document), "scores": float(selection.chosen.quality[row])}
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _wanted(scores: Scores, selection: Selection) -> Iterator[tuple[int, int, str]]:
    """Row, position and id of every kept document, in the order of the corpus."""
    for row, block in scores.blocks(["position", "id"]):
        for place in np.flatnonzero(selection.chosen.kept[row : row + len(block["id"])]):
            yield row + int(place), int(block["position"][place]), block["id"][place]


def _in_order(source: IO[bytes], target: IO[bytes], offsets: np.ndarray, order: np.ndarray) -> None:
    for place in order:
        source.seek(offsets[place])
        target.write(source.read(offsets[place + 1] - offsets[place]))
    target.flush()
    os.fsync(target.fileno())


def summary_of(
    selection: Selection, manifest: Mapping[str, Any], options: Mapping[str, Any], keep: str, seconds: float
) -> dict[str, Any]:
    """The summary: how it was chosen, what became of whom, and what a later document needs to be judged alike.

    Args:
        selection: what came of it.
        manifest: of the scores.
        options: those of the selection, by name.
        keep: what was to be kept, in words.
        seconds: that it took.
    """
    chosen, statistics = selection.chosen, selection.statistics
    counts = np.bincount(selection.reasons, minlength=len(REASONS))
    return {
        "summary": 1,
        "method": options["method"],
        "keep": keep,
        "options": dict(options),
        "documents": len(chosen.kept),
        "reasons": {name: int(count) for name, count in zip(REASONS, counts, strict=True) if count},
        "tokens": int(chosen.tokens.sum(dtype=np.int64)),
        "kept_tokens": int(chosen.tokens[chosen.kept].sum(dtype=np.int64)),
        "cut": selection.cut,
        "statistics": {
            "layers": manifest.get("layers"),
            "low": statistics.low.tolist(),
            "high": statistics.high.tolist(),
            "mean": statistics.mean.tolist(),
        }
        if statistics.count
        else None,
        "scores": {"fingerprint": manifest.get("fingerprint"), "rejects": manifest["totals"]["rejects"]},
        "seconds": round(seconds, 3),
    }
