"""A folder of scores, with or without a selection from it, as something to look at. Needs pyarrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from diagnostics.errors import words_of
from selection.chosen_files import DROPPED_FILE, KEPT_FILE
from selection.corpus import Corpus, entries, scored_corpus
from selection.errors import SelectionError
from selection.shards import read_folder
from selection.table import TOKEN_LOGITS, WEIGHTED, Scores
from selection.values import Document
from telling.tools import named

from viewing.corpus import KEPT, CorpusView, Histogram, Seen


MOST = 200  # documents of a page
COLUMNS = 96  # of a document's map of tokens
CHARACTERS = 600  # of a document's text
BINS = 40


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """Of each document of the scores, in their order."""

    scores: np.ndarray  # float64; what a selection computed, else the quality of the shards
    kept: np.ndarray | None
    reasons: Sequence[str]
    name: str


def read_corpus(
    folder: Path, selection: Path | None = None, data: Sequence[str] = (), with_texts: bool = True, most: int = MOST
) -> CorpusView:
    """A scored corpus as it is shown: every document counts in the histogram, a sample is listed.

    The sample takes evenly spaced ranks, the best and the last among them. Texts are read from the corpus again, up to the last
    document of the sample.

    Args:
        folder: what score_corpus.py wrote.
        selection: what select_data.py wrote from it.
        data: where the corpus is now; where it was scored, without.
        with_texts: whether texts are read; a corpus that is gone is refused then.
        most: documents of the sample at most.

    Raises:
        SelectionError: a folder is not complete, the selection is of other scores, or the corpus is another one.
    """
    manifest, scores = read_folder(folder)
    if not scores.rows:
        raise SelectionError(folder, "holds no document: every record was a reject", "see its rejects-*.jsonl")
    verdicts = _verdicts(scores, selection)
    chosen = _spaced(verdicts.scores, most)
    corpus = scored_corpus(manifest, data) if with_texts else None
    rows = _rows(scores, chosen)
    name = "id" if "router_data" in manifest else "position"  # where in a corpus those are, nobody has written down
    texts = _texts(corpus, rows, name) if corpus is not None else {}
    sample = [_seen(row, rows[row], verdicts, texts.get(rows[row][name], "")) for row in chosen.tolist()]
    layers = manifest.get("layers") or range(scores.layers)
    names = tuple(f"layer {number}" for number in layers)
    return CorpusView(verdicts.name, scores.rows, tuple(sample), _histogram(verdicts), names)


def _verdicts(scores: Scores, selection: Path | None) -> _Verdicts:
    if selection is None:
        return _Verdicts(scores.array("quality", np.float64), None, (), "quality")
    found = pa.concat_tables([_selected(selection / name) for name in (KEPT_FILE, DROPPED_FILE)])
    found = found.sort_by("position")
    if not np.array_equal(found["position"].to_numpy(), np.sort(scores.array("position", np.int64))):
        fix = "give the folder that the selection was made from"
        raise SelectionError(selection, f"is a selection from other scores than {scores.folder}", fix)
    order = np.argsort(np.argsort(scores.array("position", np.int64), kind="stable"), kind="stable")
    found = found.take(pa.array(order))
    reasons = found["reason"].to_pylist()
    return _Verdicts(found["score"].to_numpy(), np.array([each == KEPT for each in reasons]), reasons, "score")


def _selected(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path, columns=["position", "score", "reason"])
    except (pa.ArrowException, OSError, KeyError) as error:
        fix = f"give a folder that {named('select')} has written"
        raise SelectionError(path, f"cannot be read: {words_of(error)}", fix) from error
    return table.set_column(2, "reason", table["reason"].cast(pa.string()))


def _spaced(scores: np.ndarray, most: int) -> np.ndarray:
    """Rows at evenly spaced ranks, best first; what has no score comes last."""
    order = np.argsort(-np.where(np.isnan(scores), -np.inf, scores), kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, min(most, len(order))).round().astype(np.int64))]


def _rows(scores: Scores, wanted: np.ndarray) -> dict[int, dict[str, Any]]:
    """Row -> its columns."""
    names = ["position", "id", "source", "tokens", "perplexity", WEIGHTED]
    names += [TOKEN_LOGITS] if TOKEN_LOGITS in scores.columns else []
    found, rows = {}, np.sort(wanted)
    for first, block in scores.blocks(names):
        size = len(block["position"])
        for row in rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + size)].tolist():
            found[row] = {name: block[name][row - first] for name in names}
    return found


def _texts(corpus: Corpus, rows: Mapping[int, Mapping[str, Any]], name: str) -> dict[Any, str]:
    """The beginnings of texts, by what documents are told apart by: "position" or "id"."""
    wanted = {row[name]: row["id"] for row in rows.values()}
    found: dict[Any, str] = {}
    for entry in entries(corpus):
        key = entry.position if name == "position" else getattr(entry.found, "id", None)
        if key not in wanted:
            continue
        if not isinstance(entry.found, Document) or entry.found.id != wanted[key]:
            message = f"record {entry.position} is not {wanted[key]!r}, which was scored there"
            raise SelectionError(entry.place, message, "give the corpus that was scored (--data), or --no-texts")
        said = entry.found.text or "\n".join(f"{each.role}: {each.content}" for each in entry.found.messages)
        found[key] = said if len(said) <= CHARACTERS else f"{said[:CHARACTERS]}\u2026"
        if len(found) == len(wanted):
            break
    return found


def _seen(row: int, found: Mapping[str, Any], verdicts: _Verdicts, text: str) -> Seen:
    perplexity = float(found["perplexity"]) if found["perplexity"] is not None else float("nan")
    layers = tuple(float(each) for each in found[WEIGHTED])
    logits = found.get(TOKEN_LOGITS)
    tokens_map = () if logits is None else _map(logits.values.to_numpy(zero_copy_only=False), len(layers))
    return Seen(
        found["id"],
        found["source"],
        int(found["tokens"]),
        float(verdicts.scores[row]),
        perplexity if np.isfinite(perplexity) else None,
        layers,
        tokens_map,
        text,
        verdicts.reasons[row] if verdicts.reasons else "",
    )


def _map(logits: np.ndarray, layers: int) -> tuple[tuple[float, ...], ...]:
    """Good ratios, [layers][columns], of `[layers * tokens]` logits."""
    values = 1 / (1 + np.exp(-logits.astype(np.float64).reshape(layers, -1)))
    if values.shape[1] > COLUMNS:
        edges = np.linspace(0, values.shape[1], COLUMNS + 1).round().astype(int)
        values = np.stack(
            [values[:, one:other].mean(1) for one, other in zip(edges[:-1], edges[1:], strict=True)], axis=1
        )
    return tuple(map(tuple, values.tolist()))


def _histogram(verdicts: _Verdicts) -> Histogram:
    numbers = verdicts.scores[np.isfinite(verdicts.scores)]
    counts, edges = np.histogram(numbers, bins=BINS)
    kept: tuple[int, ...] = ()
    if verdicts.kept is not None:
        mine = verdicts.kept & np.isfinite(verdicts.scores)
        kept = tuple(np.histogram(verdicts.scores[mine], bins=edges)[0].tolist())
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()), kept)
