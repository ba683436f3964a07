"""What a selection did, in numbers: which documents it takes, and how it differs from simpler ones. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


_PARTS = 10  # of a distribution
_NEAR_CONSTANT = 0.02  # a source whose scores spread less than this part of all scores' spread says little
_SAMPLE = 1_000_000  # documents that ranks are correlated on


@dataclass(frozen=True, slots=True)
class Chosen:
    """Everything that is known of all documents, an entry each."""

    quality: np.ndarray
    perplexity: np.ndarray  # NaN where there is none
    tokens: np.ndarray
    sources: np.ndarray  # numbers of `source_names`
    scripts: np.ndarray
    kept: np.ndarray  # bool
    order: np.ndarray  # best first
    source_names: Sequence[str]
    script_names: Sequence[str]


def audit(chosen: Chosen, totals: Mapping[str, Any], seed: int = 0) -> dict[str, Any]:
    """The numbers of a selection.

    Args:
        chosen: the documents.
        totals: what scoring took: "tokens" and "seconds".
        seed: of the random selection that it is compared with.
    """
    log_perplexity = np.log(chosen.perplexity)
    return {
        "documents": len(chosen.kept),
        "kept": int(chosen.kept.sum()),
        "tokens": int(chosen.tokens.sum(dtype=np.int64)),
        "kept_tokens": int(chosen.tokens[chosen.kept].sum(dtype=np.int64)),
        "keep_rate_curve": _curve(chosen),
        "by_length": _by_parts(chosen, chosen.tokens.astype(np.float64)),
        "by_perplexity": _by_parts(chosen, chosen.perplexity.astype(np.float64)),
        "by_source": _by_group(chosen, chosen.sources, chosen.source_names),
        "by_script": _by_group(chosen, chosen.scripts, chosen.script_names),
        "rank_correlation": {
            "length": _rank_correlation(chosen.quality, chosen.tokens.astype(np.float64)),
            "perplexity": _rank_correlation(chosen.quality, log_perplexity),
        },
        "overlap": _overlaps(chosen, seed),
        "cost": _cost(totals),
    }


def _curve(chosen: Chosen) -> list[dict[str, float]]:
    """For every share of documents that could be kept: where the cut would be, and what share of tokens that is."""
    count = len(chosen.order)
    tokens = np.cumsum(chosen.tokens[chosen.order], dtype=np.float64)
    found = []
    for percent in range(5, 101, 5):
        last = max(-(-count * percent // 100), 1) - 1
        if count:
            cut = chosen.quality[chosen.order[last]]
            found.append(
                {"ratio": percent / 100, "cut": float(cut), "tokens": float(tokens[last] / max(tokens[-1], 1))}
            )
    return found


def _by_parts(chosen: Chosen, values: np.ndarray) -> list[dict[str, float]]:
    """Tenths of the documents by some number, lowest first."""
    known = np.flatnonzero(np.isfinite(values))
    edges = np.quantile(values[known], np.linspace(0, 1, _PARTS + 1)) if len(known) else np.zeros(0)
    found = []
    places = np.searchsorted(edges[1:-1], values[known], side="right") if len(known) else np.zeros(0)
    for part in np.unique(places):
        mine = known[places == part]
        found.append({"low": float(values[mine].min()), "high": float(values[mine].max()), **_facts(chosen, mine)})
    return found


def _by_group(chosen: Chosen, groups: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    overall = _spread(chosen.quality)
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(len(names) + 1))
    found = []
    for number, name in enumerate(names):
        mine = order[starts[number] : starts[number + 1]]
        if not len(mine):
            continue
        low, middle, high = np.quantile(chosen.quality[mine], (0.1, 0.5, 0.9))
        near = len(mine) > 1 and len(mine) < len(chosen.kept) and high - low < _NEAR_CONSTANT * overall
        facts = {"name": name, **_facts(chosen, mine), "p10": float(low), "p50": float(middle), "p90": float(high)}
        found.append(facts | {"deviation": float(chosen.quality[mine].std()), "near_constant": bool(near)})
    return found


def _facts(chosen: Chosen, mine: np.ndarray) -> dict[str, float]:
    kept = int(chosen.kept[mine].sum())
    mean = float(chosen.quality[mine].mean())
    return {"documents": len(mine), "kept": kept, "keep_rate": kept / len(mine), "quality": mean}


def _spread(values: np.ndarray) -> float:
    if not len(values):
        return 0.0
    low, high = np.quantile(values, (0.1, 0.9))
    return float(high - low)


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float | None:
    """Spearman's, over documents that have both numbers: a sample of them where there are many."""
    known = np.flatnonzero(np.isfinite(one) & np.isfinite(other))
    known = known[:: max(len(known) // _SAMPLE, 1)]
    if len(known) < 2:
        return None
    ranks = [_ranks(values[known]) for values in (one, other)]
    deviations = [each.std() for each in ranks]
    if min(deviations) == 0:
        return None
    return float(
        np.mean((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean())) / (deviations[0] * deviations[1])
    )


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, those of equal values their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def _overlaps(chosen: Chosen, seed: int) -> dict[str, float | None]:
    """What share of the kept documents other selections of as many would keep as well."""
    kept = int(chosen.kept.sum())
    if not kept:
        return {"perplexity": None, "random": None}
    drawn = np.random.default_rng(seed).permutation(len(chosen.kept))[:kept]
    found: dict[str, float | None] = {"perplexity": None, "random": float(chosen.kept[drawn].mean())}
    known = np.nan_to_num(chosen.perplexity.astype(np.float64), nan=np.inf)
    if np.isfinite(known).any():
        found["perplexity"] = float(chosen.kept[np.argsort(known, kind="stable")[:kept]].mean())
    return found


def _cost(totals: Mapping[str, Any]) -> dict[str, float | None]:
    """Seconds of one process for a million tokens, and tokens of a second."""
    tokens, seconds = (float(totals.get(name) or 0) for name in ("tokens", "seconds"))
    if not tokens or not seconds:
        return {"seconds_per_million_tokens": None, "tokens_per_second": None}
    return {"seconds_per_million_tokens": seconds / tokens * 1e6, "tokens_per_second": tokens / seconds}
