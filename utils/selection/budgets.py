"""How much of an order is kept: a share, a number, all above a threshold, a number of tokens; and shares of sources. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np


KEPT, BELOW, QUOTA, THRESHOLD, BUDGET = "kept", "below-cut", "source-quota", "below-threshold", "token-budget"
REASONS = (KEPT, BELOW, QUOTA, THRESHOLD, BUDGET)  # their numbers are what `choose` returns
ALL_OTHERS = "*"


@dataclass(frozen=True, slots=True)
class Budget:
    """What is kept; exactly one of the four is given."""

    ratio: str = ""  # "0.3": as it was written, since 0.07 * 100 is more than 7 in floating point
    count: int | None = None
    threshold: float | None = None
    tokens: int | None = None

    def documents(self, total: int) -> int:
        """How many documents of `total` are kept at most: of a ratio, as many as it makes, rounded up."""
        if self.ratio:
            return min(math.ceil(Fraction(self.ratio) * total), total)
        return total if self.count is None else min(self.count, total)


def choose(
    order: np.ndarray,
    budget: Budget,
    keys: np.ndarray,
    tokens: np.ndarray,
    sources: np.ndarray,
    quotas: Mapping[int, Fraction | int] | None = None,
) -> np.ndarray:
    """What becomes of every document: the number of its reason among REASONS.

    Args:
        order: all documents, best first.
        budget: how much is kept.
        keys: `[documents]`; a document below the threshold is dropped.
        tokens: of each document.
        sources: the number of each document's source.
        quotas: number of a source -> how many documents of it are kept at most: a number, or a share of all that may
            be kept (of the token budget, where that is what is given).
    """
    found = np.full(len(order), REASONS.index(BELOW), np.int8)
    limit = budget.documents(len(order))
    if budget.threshold is not None:
        passing = keys[order] >= budget.threshold  # what is no number does not pass
        found[order[~passing]] = REASONS.index(THRESHOLD)
        order = order[passing]
        limit = len(order)
    sizes = tokens if budget.tokens is not None else np.ones_like(tokens)
    whole = budget.tokens if budget.tokens is not None else limit
    for source, quota in (quotas or {}).items():
        mine = np.flatnonzero(sources[order] == source)
        most = math.floor(quota * whole) if isinstance(quota, Fraction) else quota
        amounts = sizes[order[mine]] if isinstance(quota, Fraction) else np.ones(len(mine), np.int64)
        over = mine[np.cumsum(amounts, dtype=np.int64) > most]
        found[order[over]] = REASONS.index(QUOTA)
        order = np.delete(order, over)
    if budget.tokens is not None:
        fits = np.cumsum(tokens[order], dtype=np.int64) <= budget.tokens
        found[order[~fits]] = REASONS.index(BUDGET)
        found[order[fits]] = REASONS.index(KEPT)
    else:
        found[order[:limit]] = REASONS.index(KEPT)
    return found
