"""Which rows an update overwrites: numbers in, rows out, without a step of Python for each row of a bank. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from diagnostics.names import nearest

from memory.errors import BankError
from memory.values import STRATEGIES


@dataclass(slots=True)
class Usage:
    """How the rows of a bank were used, by row; the clock begins at 1, and rows that were never used are at 0."""

    last_used: np.ndarray  # int64 [N]: clock of the last reading or writing
    access_count: np.ndarray  # int64 [N]: writings and readings
    importance: np.ndarray  # float64 [N]: decayed count of readings
    clock: int = 0
    pointer: int = 0  # of the ring: rows from the first unfrozen one on
    generator: np.random.Generator = field(default_factory=np.random.default_rng)

    @classmethod
    def new(cls, rows: int, seed: int = 0) -> Usage:
        """Of rows that were never used."""
        zeros = np.zeros(rows, np.int64)
        return cls(zeros, zeros.copy(), np.zeros(rows), generator=np.random.default_rng(seed))

    def wrote(self, rows: np.ndarray) -> None:
        """Rows, int64 [R], were written one after the other.

        A new fact counts as read once, so that it is not the next to go.
        """
        self.last_used[rows] = self.clock + 1 + np.arange(len(rows))
        self.access_count[rows] += 1
        self.importance[rows] = 1.0
        self.clock += len(rows)

    def read(self, rows: np.ndarray, weights: np.ndarray, decay: float) -> None:
        """Rows, int64 [R], were read at once, each any number of times; what was read before counts for less by `decay`."""
        self.clock += 1
        self.last_used[rows] = self.clock
        np.add.at(self.access_count, rows, 1)
        self.importance *= decay
        np.add.at(self.importance, rows, weights)


@dataclass(frozen=True, slots=True)
class Space:
    """The rows that updates may use: from `start` up to `stop`, without those in `taken`; and which are empty."""

    start: int
    stop: int
    empty: np.ndarray  # int64, ascending: rows without a token
    taken: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def free(self) -> int:
        """How many rows there are."""
        inside = (self.taken >= self.start) & (self.taken < self.stop)
        return max(0, self.stop - self.start) - len(np.unique(self.taken[inside]))

    @property
    def free_empty(self) -> np.ndarray:
        """Empty rows inside, int64 [E], ascending."""
        inside = self.empty[(self.empty >= self.start) & (self.empty < self.stop)]
        return np.setdiff1d(inside, self.taken, assume_unique=False)

    def without(self, rows: np.ndarray) -> Space:
        """The space when these rows, int64 [R], are taken as well."""
        return Space(self.start, self.stop, self.empty, np.concatenate([self.taken, rows]))


def check_strategy(name: str) -> str:
    """The strategy of this name. Raises BankError where there is none."""
    if name in STRATEGIES:
        return name
    close = nearest(str(name).lower(), STRATEGIES)
    fix = f"did you mean {close!r}? The others: " if close else "give one of: "
    others = ", ".join(each for each in STRATEGIES if each != close)
    raise BankError("update_strategy", f"is {name!r}, which is not a strategy", f"{fix}{others}")


def choose(strategy: str, usage: Usage, space: Space, count: int) -> np.ndarray:
    """The next `count` rows to overwrite, or all that there are: int64 [R], distinct, in the order of their use.

    Rows of "similarity" are chosen by the facts (`nearest`), and by this where a fact is like no row.

    Args:
        strategy: one of STRATEGIES.
        usage: how rows were used.
        space: which rows there are to choose from.
        count: how many are wanted.
    """
    count = min(count, space.free)
    if count <= 0:
        return np.empty(0, np.int64)
    return _CHOICES[strategy](usage, space, count)


def _fifo(usage: Usage, space: Space, count: int) -> np.ndarray:
    """Rows without a token first, then one after the other from where the last ones were."""
    empty = space.free_empty[:count]
    left, size = count - len(empty), space.stop - space.start
    if not left:
        return empty
    taken = np.zeros(size, bool)
    for rows in (space.taken, space.free_empty):
        taken[rows[(rows >= space.start) & (rows < space.stop)] - space.start] = True
    begin = usage.pointer if usage.pointer < size else 0
    ring = np.concatenate([np.arange(begin, size), np.arange(begin)])
    ring = ring[~taken[ring]][:left]
    usage.pointer = (int(ring[-1]) + 1) % size
    return np.concatenate([empty, ring + space.start])


def _lru(usage: Usage, space: Space, count: int) -> np.ndarray:
    """Least lately read or written, then least often; a row without a token counts as never used."""
    rows = _open(space)
    clocks = usage.last_used[rows].copy()
    clocks[np.isin(rows, space.free_empty, assume_unique=True)] = -1
    return np.take(rows, least(count, clocks, usage.access_count[rows]))


def _random(usage: Usage, space: Space, count: int) -> np.ndarray:
    """Each as likely as any other."""
    rows = _open(space)
    return rows[usage.generator.choice(len(rows), count, replace=False)]


def _importance(usage: Usage, space: Space, count: int) -> np.ndarray:
    """Least read, what was read long ago counting for less; then least lately used."""
    rows = _open(space)
    scores = usage.importance[rows].copy()
    scores[np.isin(rows, space.free_empty, assume_unique=True)] = -1
    return np.take(rows, least(count, scores, usage.last_used[rows]))


_CHOICES = {"fifo": _fifo, "lru": _lru, "random": _random, "importance": _importance, "similarity": _fifo}


def least(count: int, *keys: np.ndarray) -> np.ndarray:
    """The places, int64 [count], of the smallest by the first key, then the next, then by place; in that order.

    Sorts no more than `count` of them: with a million rows, some milliseconds.
    """
    places = np.arange(len(keys[0]))
    chosen: list[np.ndarray] = []
    left = count
    for key in keys:
        if len(places) <= left or not left:
            break
        values = key[places]
        edge = values.min()
        if np.count_nonzero(values == edge) < left:  # partitioning is slow where most are alike
            edge = np.partition(values, left - 1)[left - 1]
        below, places = places[values < edge], places[values == edge]
        chosen.append(below)
        left -= len(below)
    found = np.concatenate([*chosen, places[:left]])
    return found[np.lexsort([found, *(key[found] for key in reversed(keys))])]


def assign(ranked: np.ndarray, similar: np.ndarray, threshold: float, taken: Sequence[int] = ()) -> np.ndarray:
    """For each fact the most similar row that no fact before it has got, -1 where none is similar enough.

    Args:
        ranked: int64 [facts, M]: rows of each fact, most similar first; -1 where there are fewer.
        similar: float [facts, M]: how similar.
        threshold: what a row is at least.
        taken: rows that are given already.
    """
    given, found = set(taken), np.full(len(ranked), -1, np.int64)
    for fact, (rows, values) in enumerate(zip(ranked.tolist(), similar.tolist(), strict=True)):
        fits = (row for row, value in zip(rows, values, strict=True) if row >= 0 and value >= threshold)
        found[fact] = next((row for row in fits if row not in given), -1)
        given.add(int(found[fact]))
    return found


def _open(space: Space) -> np.ndarray:
    rows = np.arange(space.start, space.stop)
    return rows[~np.isin(rows, space.taken)] if len(space.taken) else rows
