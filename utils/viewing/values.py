"""What is looked at: a text, its tokens, and what every row of gates said of each token. Knows no kind of gate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a text.

    `start` and `end` count characters of the text; they are equal for a token that stands for none of it, as a mark of
    its beginning. `shown` is readable where the token is not: "\u2423the", "\u27e8E2 82\u27e9".
    """

    id: int
    shown: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Measure:
    """What the numbers are called.

    `score` is what a gate computes and `value` what is coloured: the logistic function of it, or with `is_plain` the
    score itself. Values lie between `low` and `high`, whose meaning `closed` and `open` say.
    """

    score: str
    value: str
    low: float = 0.0
    high: float = 1.0
    closed: str = "closed"
    open: str = "open"
    is_plain: bool = False

    def value_of(self, score: float) -> float:
        """The value that a score stands for."""
        if self.is_plain:
            return score
        return 1 / (1 + math.exp(-score)) if score >= 0 else math.exp(score) / (1 + math.exp(score))


QUALITY = Measure("score", "good ratio")


@dataclass(frozen=True, slots=True)
class Panel:
    """One text as one model sees it.

    `scores` has a row of one number a token for each of `rows` ("layer 3"); `numbers` are further ones of each token
    ("perplexity"), None where there is none; `notes` are lines that belong to a token, such as what it retrieved.
    """

    title: str
    text: str
    tokens: tuple[Token, ...]
    rows: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]
    numbers: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    notes: tuple[tuple[str, ...], ...] = ()
    measure: Measure = QUALITY

    def __post_init__(self) -> None:
        """Raises ValueError where there is not one number for each token in each row."""
        sizes = [*map(len, self.scores), *map(len, self.numbers.values()), *([len(self.notes)] if self.notes else [])]
        if len(self.scores) != len(self.rows) or any(size != len(self.tokens) for size in sizes):
            message = f"{len(self.tokens)} tokens and {len(self.rows)} rows, but {len(self.scores)} rows of {sizes}"
            raise ValueError(message)

    def values(self) -> list[list[float]]:
        """What is coloured, [rows][tokens]."""
        return [[self.measure.value_of(score) for score in row] for row in self.scores]

    def means(self) -> list[float]:
        """The value of every token, mean over the rows."""
        return [sum(column) / len(column) for column in zip(*self.values(), strict=True)]
