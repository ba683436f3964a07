"""The frozen nouns: a row of a bank, a change of it, what a bank is made for, what an extraction found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any


EDIT, FORGET, UNDO, BUILD = "edit", "forget", "undo", "build"  # how rows change, beside strategies of updates
STRATEGIES = ("fifo", "lru", "random", "similarity", "importance")
NAMED = ("uuid", "subject", "predicate", "object")  # what a record may say of its sentence
CACHES = (".pt", ".pth")  # how the original project's files end
TENSOR = "memory_bank"  # the tensor of a bank file; in a checkpoint, the last part of its name


@dataclass(frozen=True, slots=True)
class Record:
    """A sentence, and what is known of it."""

    sentence: str
    named: Mapping[str, str] = field(default_factory=dict)  # by NAMED


@dataclass(frozen=True, slots=True)
class Row:
    """A row as people read it."""

    row: int
    sentence: str
    token_count: int  # before it was cut to the length of a row
    truncated: bool
    named: Mapping[str, str] = field(default_factory=dict)
    ids: tuple[int, ...] = ()  # without padding; not in files of rows


@dataclass(frozen=True, slots=True)
class Change:
    """A row that got other tokens."""

    row: int
    old_ids: tuple[int, ...]
    old_sentence: str
    new_ids: tuple[int, ...]
    new_sentence: str
    strategy: str  # one of STRATEGIES, EDIT, FORGET or UNDO
    by: str = ""  # who
    time: str = ""  # of the log: ISO 8601, in UTC
    number: int = 0  # in the log, from 1
    undoes: int = 0  # the number of the change that this one takes back
    token_count: int = 0  # of the new sentence, before it was cut
    old_token_count: int = 0
    named: Mapping[str, str] = field(default_factory=dict)  # of the new sentence, by NAMED
    old_named: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"row {self.row}: {self.old_sentence or '(empty)'} -> {self.new_sentence or '(empty)'}"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a bank is made for."""

    knowledge_num: int  # N, rows
    knowledge_length: int  # K, tokens of a row
    pad_token_id: int
    vocab_size: int
    frozen_rows: int  # the leading ones, which updates never overwrite
    special_tokens: bool = False  # whether sentences were tokenised with them
    tokenizer: str = ""  # its name
    digest: str = ""  # of the tokenizer; empty where it is not known


class Result(Mapping[str, Any]):
    """A dataclass that is also a mapping of its fields; those that are None are not in it."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        value = getattr(self, name, None) if name in self._names() else None
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._names() if getattr(self, name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _names(self) -> list[str]:
        return [each.name for each in fields(self)]  # type: ignore[arg-type]  # whoever has this as a base is a dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Extraction(Result):
    """What an extractor made of a text."""

    compressed_text: str
    original_tokens: int
    compressed_tokens: int
    compression_ratio: float  # of the tokens, what was kept: 0.4 is two of five
    facts: tuple[str, ...] = ()  # the parts that are statements of their own; empty: to be split
    annotations: tuple[tuple[str, str], ...] | None = None  # word or sentence, "+" where it was kept, else "-"


@dataclass(frozen=True, slots=True, eq=False)
class Update(Result):
    """What became of some facts."""

    updated_count: int
    update_indices: tuple[int, ...] | None = None  # the first ten rows
    facts_count: int | None = None
    strategy: str | None = None
    message: str | None = None  # why nothing was written
    truncated_count: int | None = None  # facts longer than a row
    left_out: int | None = None  # facts for which there were no more rows


@dataclass(frozen=True, slots=True, eq=False)
class Skipped(Result):
    """What stands in the place of an extraction and an update that were not due."""

    reason: str
    skipped: bool = True


def integer_root(number: int) -> int | None:
    """The root of a perfect square, else None."""
    from math import isqrt

    return isqrt(number) if number > 0 and isqrt(number) ** 2 == number else None
