"""Records -> rows, some at a time: memory is that of a batch, however large the source is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from selection.values import EMPTY, Raw, Reject

from memory.encoding import Encoded, check_ids, encode, row_of, unpadded
from memory.errors import BankError
from memory.records import sentence_of
from memory.rows_file import encode_row
from memory.values import Record, Row, Shape


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_AT_A_TIME = 1024  # records
UNREAD = "tokenizer"  # why a record is rejected, beside the reasons of `selection.values`


@dataclass(frozen=True, slots=True)
class Source:
    """Some rows that follow each other."""

    ids: np.ndarray  # int64 [R, K]
    lines: tuple[bytes, ...] = ()  # of those that hold something
    rejects: tuple[Reject, ...] = ()
    truncated: int = 0
    records: int = 0
    more: bool = False  # nothing but the word that there are more records than rows


def rows_of(raws: Iterable[Raw], tokenizer: PreTrainedTokenizerBase, shape: Shape) -> Iterator[Source]:
    """The first N records as rows, and a last word where there are more. A record that is none is a row without tokens."""
    done, raws = 0, iter(raws)
    while done < shape.knowledge_num:
        some = [raw for _, raw in zip(range(min(_AT_A_TIME, shape.knowledge_num - done)), raws, strict=False)]
        if not some:
            return
        yield _rows(some, tokenizer, shape, done)
        done += len(some)
    if next(raws, None) is not None:
        yield Source(np.empty((0, shape.knowledge_length), np.int64), more=True)


def cached(path: Path, tokenizer: PreTrainedTokenizerBase, shape: Shape) -> Iterator[Source]:
    """The rows of the original project's cache. Raises BankError where it is of another shape or vocabulary."""
    from memory.originals import read_cache, read_mapping

    ids = read_cache(path)
    if ids.shape != (shape.knowledge_num, shape.knowledge_length):
        wanted = [shape.knowledge_num, shape.knowledge_length]
        message = f"has the shape {list(ids.shape)}, and {wanted} was asked for"
        raise BankError(path, message, f"give --knowledge-num {ids.shape[0]} --knowledge-length {ids.shape[1]}")
    mapping = read_mapping(path)
    for start in range(0, len(ids), _AT_A_TIME):
        block = np.asarray(ids[start : start + _AT_A_TIME]).astype(np.int64)
        check_ids(block, shape, path, start)
        read = (row_of(number, row, tokenizer, shape.pad_token_id) for number, row in enumerate(block, start))
        rows = [_known(row, mapping.get(row.row)) for row in read if row.ids]
        lines = tuple(encode_row(row) for row in rows)
        yield Source(block, lines, (), sum(row.truncated for row in rows), len(block))


def _known(row: Row, found: Row | None) -> Row:
    """A row with the sentence that a mapping has for it."""
    if found is None:
        return row
    count = max(found.token_count if found.truncated else 0, len(row.ids))  # the original counts what fills a row up
    return replace(row, sentence=found.sentence, token_count=count, truncated=found.truncated, named=found.named)


def _rows(raws: list[Raw], tokenizer: PreTrainedTokenizerBase, shape: Shape, first: int) -> Source:
    found = [sentence_of(raw) for raw in raws]
    ids = np.full((len(raws), shape.knowledge_length), shape.pad_token_id, np.int64)
    records = [(place, each) for place, each in enumerate(found) if isinstance(each, Record)]
    encoded, failed = _encode(tokenizer, [record.sentence for _, record in records], shape)
    lines, truncated = [], 0
    rejects = [each for each in found if isinstance(each, Reject)]
    for (place, record), tokens, count, why in zip(records, encoded.ids, encoded.counts, failed, strict=True):
        raw, kept = raws[place], unpadded(tokens, shape.pad_token_id)
        if why or not kept:
            reason, detail = (UNREAD, why) if why else (EMPTY, "the tokenizer makes no token of it")
            rejects.append(Reject(f"{raw.source}_{raw.number:06d}", raw.source, raw.place, reason, detail))
            continue
        ids[place] = tokens
        row = Row(first + place, record.sentence, count, count > shape.knowledge_length, record.named, kept)
        lines.append(encode_row(row))
        truncated += row.truncated
    return Source(ids, tuple(lines), tuple(rejects), truncated, len(raws))


def _encode(tokenizer: PreTrainedTokenizerBase, sentences: list[str], shape: Shape) -> tuple[Encoded, list[str]]:
    """All at once; where that fails, one by one, with what the tokenizer says of each that it cannot read."""
    try:
        return encode(tokenizer, sentences, shape), [""] * len(sentences)
    except BankError:
        ids: list[np.ndarray] = []
        counts: list[int] = []
        failed: list[str] = []
        for sentence in sentences:
            try:
                one, said = encode(tokenizer, [sentence], shape), ""
            except BankError as error:
                empty = np.full((1, shape.knowledge_length), shape.pad_token_id, np.int64)
                one, said = Encoded(empty, (0,)), error.message
            ids.append(one.ids)
            counts += one.counts
            failed.append(said)
        return Encoded(np.concatenate(ids), tuple(counts)), failed
