"""Scores as Parquet: what a shard holds, and columns of all shards as arrays, a block of rows at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from diagnostics.errors import words_of
from telling.tools import named

from selection.errors import SelectionError


ROWS = 65_536  # of a block
WEIGHTED, MEANS, ROUTER = "layer_scores", "layer_means", "router"
TOKEN_LOGITS, TOKEN_NLL = "token_logits", "token_nll"


def schema(layers: int, router: int = 0, tokens: bool = False) -> pa.Schema:
    """Of a shard of scores.

    Args:
        layers: how many layers have gates.
        router: how many numbers there are of the routers of a base with experts, if they are kept.
        tokens: whether there is something for every token: the gates' logits, layer after layer, and its loss.
    """
    fields: list[tuple[str, pa.DataType]] = [
        ("position", pa.int64()),
        ("id", pa.string()),
        ("source", pa.string()),
        ("tokens", pa.int32()),
        ("characters", pa.int64()),
        ("script", pa.string()),
        ("perplexity", pa.float32()),
        ("quality", pa.float32()),
        (WEIGHTED, pa.list_(pa.float32(), layers)),
        (MEANS, pa.list_(pa.float32(), layers)),
    ]
    if router:
        fields.append((ROUTER, pa.list_(pa.float32(), router)))
    if tokens:
        fields += [(TOKEN_LOGITS, pa.list_(pa.float32())), (TOKEN_NLL, pa.list_(pa.float32()))]
    return pa.schema(fields)


def encode(rows: Sequence[Mapping[str, Any]], columns: pa.Schema) -> bytes:
    """A shard as bytes: the same rows give the same."""
    arrays = [_array([row[field.name] for row in rows], field.type) for field in columns]
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, columns, compression="zstd", write_page_index=False) as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=columns))
    return sink.getvalue()


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_fixed_size_list(kind):
        flat = np.concatenate(values) if values else np.zeros(0)
        return pa.FixedSizeListArray.from_arrays(pa.array(flat.astype(np.float32)), type=kind)
    return pa.array(values, kind)


@dataclass(frozen=True, slots=True)
class Scores:
    """The shards of a folder."""

    folder: Path
    files: tuple[Path, ...]
    counts: tuple[int, ...]  # rows of each
    columns: frozenset[str]
    layers: int

    @property
    def rows(self) -> int:
        """Of all shards."""
        return sum(self.counts)

    def blocks(self, names: Sequence[str]) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """Some columns, a block at a time: the number of its first row, and name -> array.

        Lists of one length are `[rows, length]`, texts are objects, ragged lists are pyarrow's.
        """
        row = 0
        for batch in self._batches(names):
            yield row, {name: _numpy(batch.column(name)) for name in names}
            row += batch.num_rows

    def _batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for path in self.files:
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(batch_size=ROWS, columns=list(names))

    def array(self, name: str, kind: type) -> np.ndarray:
        """One number of every document, `[rows]` of the type `kind`."""
        found: np.ndarray = np.empty(self.rows, kind)
        for row, block in self.blocks([name]):
            found[row : row + len(block[name])] = block[name]
        return found

    def codes(self, name: str) -> tuple[np.ndarray, list[str]]:
        """A column of few texts as numbers, int32 `[rows]`, and the texts in the order of their numbers, sorted."""
        numbers: dict[str, int] = {}
        found = np.empty(self.rows, np.int32)
        row = 0
        for batch in self._batches([name]):
            column = batch.column(name).dictionary_encode()
            texts = column.dictionary.to_pylist()
            known = np.array([numbers.setdefault(str(text), len(numbers)) for text in texts], np.int32)
            found[row : row + len(column)] = known[column.indices.to_numpy(zero_copy_only=False)]
            row += len(column)
        names = sorted(numbers)
        new = np.empty(max(len(numbers), 1), np.int32)
        for place, name in enumerate(names):
            new[numbers[name]] = place
        return new[found], names

    def texts(self, name: str, wanted: np.ndarray) -> np.ndarray:
        """A text of the documents with these numbers, `[wanted]`, in their order; a number may be there twice."""
        order = np.argsort(wanted, kind="stable")
        sorted_rows = wanted[order]
        found = np.empty(len(wanted), object)
        for row, block in self.blocks([name]):
            first, last = np.searchsorted(sorted_rows, (row, row + len(block[name])))
            found[order[first:last]] = block[name][sorted_rows[first:last] - row]
        return found


def open_scores(folder: Path, files: Sequence[Path]) -> Scores:
    """The scores of some shards. Raises SelectionError where one cannot be read, or is not like the first."""
    counts, schemas = [], []
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                counts.append(file.metadata.num_rows)
                schemas.append(file.schema_arrow)
        except (pa.ArrowException, OSError) as error:
            raise SelectionError(
                path, f"is not a Parquet file: {words_of(error)}", "score the corpus again"
            ) from error
        missing = {"id", "source", "tokens", "perplexity", "quality", WEIGHTED} - set(schemas[-1].names)
        if missing or not pa.types.is_fixed_size_list(schemas[-1].field(WEIGHTED).type):
            what = f"has no column `{min(missing)}`" if missing else f"`{WEIGHTED}` is not a list of one length"
            raise SelectionError(path, what, f"give a folder that {named('score')} has written")
        if not schemas[-1].equals(schemas[0]):
            raise SelectionError(path, f"has other columns than {files[0].name}", "score the corpus again")
    if not files:
        raise SelectionError(folder, "holds no shards of scores", f"give a folder that {named('score')} has written")
    layers = schemas[0].field(WEIGHTED).type.list_size
    return Scores(folder, tuple(files), tuple(counts), frozenset(schemas[0].names), layers)


def _numpy(column: pa.Array) -> Any:
    if pa.types.is_fixed_size_list(column.type):
        return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size)
    if pa.types.is_list(column.type):
        return column
    return column.to_numpy(zero_copy_only=False)
