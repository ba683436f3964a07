"""Scores -> what is kept and what is dropped, with reasons: columns at a time, texts not before the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
import pyarrow as pa

from selection.audit import Chosen
from selection.budgets import ALL_OTHERS, KEPT, REASONS, Budget, choose
from selection.errors import SelectionError
from selection.quality import LayerStatistics, add, layer_scores, no_statistics, quality_scores
from selection.ranking import Block, at_random, best_first, clusters, farthest, from_clusters
from selection.table import MEANS, ROUTER, TOKEN_LOGITS, TOKEN_NLL, WEIGHTED, Scores
from selection.values import CLUSTERS, EPSILON, FARTHEST, LAYERS, PERPLEXITY, QUALITY, RANDOM, ROUTERS, TAU


_POOL = 2  # times as many documents as are kept are looked at for those far from each other
_MOST_DISTANCES = 4 * 10**10


@dataclass(frozen=True, slots=True)
class SelectOptions:
    """How documents are chosen."""

    budget: Budget
    method: str = QUALITY
    alpha: float = 1.0
    eps: float = EPSILON
    tau: float = TAU
    seed: int = 42
    clusters: int = 26
    features: str = LAYERS
    quotas: Mapping[str, str] = field(default_factory=dict)  # source -> "200" documents, or a share of all: "0.2"


@dataclass(frozen=True, slots=True)
class Selection:
    """What became of every document."""

    chosen: Chosen
    reasons: np.ndarray  # numbers of `budgets.REASONS`
    statistics: LayerStatistics
    keys: np.ndarray  # what documents were ordered by, higher first; where that is no number, their rank

    @property
    def cut(self) -> float | None:
        """The quality of the worst document that is kept."""
        kept = self.chosen.quality[self.chosen.kept]
        return float(kept.min()) if len(kept) else None


def select(scores: Scores, options: SelectOptions, alpha_of_scores: float) -> Selection:
    """Choose among all documents of a folder.

    Args:
        scores: the folder.
        options: how.
        alpha_of_scores: the power of the perplexity that the layers' scores were weighed with.

    Raises:
        SelectionError: the scores do not have what the method needs.
    """
    column = _column(scores, options.alpha, alpha_of_scores)
    statistics = no_statistics(scores.layers)
    for _, block in _layer_blocks(scores, column, options.alpha):
        statistics = add(statistics, block)
    quality = np.empty(scores.rows)
    for row, block in _layer_blocks(scores, column, options.alpha):
        quality[row : row + len(block)] = quality_scores(block, statistics, options.eps, options.tau)
    perplexity = scores.array("perplexity", np.float32)
    tokens = scores.array("tokens", np.int32)
    sources, names = scores.codes("source")
    scripts, script_names = (
        scores.codes("script") if "script" in scores.columns else (np.zeros_like(sources), ["none"])
    )
    if options.method == PERPLEXITY:
        keys, order = _by_perplexity(scores, perplexity)
    else:
        keys, order = quality, _order(scores, options, best_first(quality, lambda rows: scores.texts("id", rows)))
    quotas = _quotas(options.quotas, names)
    budget = options.budget
    if options.method == PERPLEXITY and budget.threshold is not None:
        budget = replace(budget, threshold=-budget.threshold)  # as the keys: lower is better
    reasons = choose(order, budget, keys, tokens, sources, quotas)
    kept = reasons == REASONS.index(KEPT)
    chosen = Chosen(quality, perplexity, tokens, sources, scripts, kept, order, names, script_names)
    return Selection(chosen, reasons, statistics, keys)


def _by_perplexity(scores: Scores, perplexity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What documents are ordered by, where that is their perplexity, and their order."""
    if not np.isfinite(perplexity).any():
        raise SelectionError(scores.folder, "has no perplexities", "score the corpus without --no-perplexity")
    return -perplexity, best_first(-perplexity, lambda rows: scores.texts("id", rows))


def _order(scores: Scores, options: SelectOptions, by_quality: np.ndarray) -> np.ndarray:
    """The order of documents, where they are ordered by quality, or regardless of it."""
    if options.method == RANDOM:
        return at_random(scores.rows, options.seed)
    if options.method == CLUSTERS:
        groups = clusters(_features(scores, options.features), scores.rows, options.clusters, options.seed)
        return from_clusters(groups, by_quality)
    if options.method == FARTHEST:
        return _far_apart(scores, options, by_quality)
    return by_quality


def _far_apart(scores: Scores, options: SelectOptions, by_quality: np.ndarray) -> np.ndarray:
    """Of the best documents, twice as many as are kept, those far from each other first; the others behind them."""
    budget = options.budget
    if not budget.ratio and budget.count is None:
        raise SelectionError("--method farthest", "needs to know how many are kept", "give --keep or --count")
    wanted = budget.documents(scores.rows)
    pool = by_quality[: min(_POOL * wanted, scores.rows)]
    if len(pool) * wanted > _MOST_DISTANCES:
        message = f"would compare {wanted:,} documents with {len(pool):,} each"
        raise SelectionError("--method farthest", message, "keep fewer, or take --method clusters")
    rows = np.sort(pool)
    column = _feature_column(scores, options.features)
    found = np.empty((len(rows), 0), np.float32)
    for row, block in scores.blocks([column]):
        first, last = np.searchsorted(rows, (row, row + len(block[column])))
        if found.shape[1] == 0:
            found = np.empty((len(rows), block[column].shape[1]), np.float32)
        found[first:last] = block[column][rows[first:last] - row]
    picked = pool[farthest(found[np.searchsorted(rows, pool)], wanted)]
    rest = np.ones(scores.rows, bool)
    rest[picked] = False
    return np.concatenate([picked, by_quality[rest[by_quality]]])


def _feature_column(scores: Scores, features: str) -> str:
    column = ROUTER if features == ROUTERS else WEIGHTED
    if column not in scores.columns:
        fix = "score a base with experts with --router, or take --features layers"
        raise SelectionError(scores.folder, "has no features of routers", fix)
    return column


def _features(scores: Scores, features: str) -> Block:
    """Features of a range of documents; the whole column is held as float32, half of what selection may take."""
    column = _feature_column(scores, features)
    held: list[np.ndarray] = [block[column] for _, block in scores.blocks([column])]
    whole = np.concatenate(held) if held else np.zeros((0, 1), np.float32)
    return lambda start, stop: whole[start:stop]


def _column(scores: Scores, alpha: float, known: float) -> str:
    if alpha == known:
        return WEIGHTED
    if alpha == 0 and MEANS in scores.columns:
        return MEANS
    if TOKEN_LOGITS in scores.columns:
        return TOKEN_LOGITS
    fix = f"take --alpha {known:g} or 0, or score the corpus with --tokens"
    raise SelectionError(scores.folder, f"was weighed with alpha {known:g}, not {alpha:g}", fix)


def _layer_blocks(scores: Scores, column: str, alpha: float) -> Iterator[tuple[int, np.ndarray]]:
    """Scores of the layers, `[documents, layers]`, with the number of the first of them."""
    if column != TOKEN_LOGITS:
        yield from ((row, block[column]) for row, block in scores.blocks([column]))
        return
    for row, block in scores.blocks([TOKEN_LOGITS, TOKEN_NLL]):
        yield (
            row,
            np.array(
                [
                    layer_scores(_sigmoid(logits.values.to_numpy().reshape(scores.layers, -1)), _weights(nll), alpha)
                    for logits, nll in zip(block[TOKEN_LOGITS], block[TOKEN_NLL], strict=True)
                ]
            ).reshape(-1, scores.layers),
        )


def _weights(nll: pa.ListScalar) -> np.ndarray:
    values: np.ndarray = nll.values.to_numpy()
    return np.exp(values.astype(np.float64))


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values.astype(np.float64)))


def _quotas(quotas: Mapping[str, str], names: list[str]) -> dict[int, Fraction | int]:
    """Quotas by the numbers of sources. Raises SelectionError where a source is unknown or a quota is none."""
    found: dict[int, Fraction | int] = {}
    for name, text in quotas.items():
        if name != ALL_OTHERS and name not in names:
            some = ", ".join(names[:9]) + (", ..." if len(names) > 9 else "")
            raise SelectionError(f"--quota {name}", "is not a source of these scores", f"name one of: {some}")
        try:
            quota = Fraction(text) if "." in text or "/" in text else int(text)
        except (ValueError, ZeroDivisionError):
            quota = -1
        if quota < 0 or (isinstance(quota, Fraction) and quota > 1):
            raise SelectionError(
                f"--quota {name}={text}", "is not a quota", "give a number, or a share from 0.0 to 1.0"
            )
        meant = [name] if name != ALL_OTHERS else [each for each in names if each not in quotas]
        found |= dict.fromkeys(map(names.index, meant), quota)
    return found
