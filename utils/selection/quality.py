"""The quality score of documents, over all of them together, a block of rows at a time. Pure.

Source of the formula: the Quality-Gate project's selection (weights of tokens by perplexity, scores of layers mapped by
their minimum and mean over all documents, mean over layers). Sums are kept in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selection.values import EPSILON, TAU


ALPHA = 1.0


def layer_scores(
    good_ratios: np.ndarray, perplexities: np.ndarray, alpha: float = ALPHA, eps: float = EPSILON
) -> np.ndarray:
    """Scores of the layers for one document: the mean of its good ratios, tokens weighed by their perplexity.

    Args:
        good_ratios: `[layers, tokens]`, the sigmoids of the gates' logits.
        perplexities: `[tokens]`; tokens at 0 are padding.
        alpha: the power of the perplexity; 0 weighs all tokens alike.
        eps: what keeps a sum of weights from being 0.

    Returns:
        `[layers]` in float64.
    """
    valid = perplexities > 0
    weights = np.where(valid, np.power(np.where(valid, perplexities, 1.0).astype(np.float64), alpha), 0.0)
    weights /= weights.sum() + eps
    return np.asarray(np.where(valid, good_ratios, 0.0).astype(np.float64) @ weights)


@dataclass(frozen=True, slots=True)
class LayerStatistics:
    """Minimum, maximum and sum over documents, of each layer."""

    count: int
    low: np.ndarray  # [layers], as the others
    high: np.ndarray
    total: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean over documents, `[layers]`; 0 where there are none."""
        return self.total / max(self.count, 1)


def no_statistics(layers: int) -> LayerStatistics:
    """Of no document."""
    return LayerStatistics(0, np.full(layers, np.inf), np.full(layers, -np.inf), np.zeros(layers))


def add(statistics: LayerStatistics, scores: np.ndarray) -> LayerStatistics:
    """Those of some documents and of more of them, `[documents, layers]`."""
    if not len(scores):
        return statistics
    return LayerStatistics(
        statistics.count + len(scores),
        np.minimum(statistics.low, scores.min(0)),
        np.maximum(statistics.high, scores.max(0)),
        np.cumsum(np.vstack([statistics.total, scores]), axis=0)[-1],  # one after the other: blocks make no difference
    )


def quality_scores(
    scores: np.ndarray, statistics: LayerStatistics, eps: float = EPSILON, tau: float = TAU
) -> np.ndarray:
    """The quality of documents: `R = (s - min) / (max(max - min, eps) * max(mean, eps))` of each layer, mean over layers.

    Args:
        scores: `[documents, layers]`.
        statistics: of all documents.
        eps: what ranges and means are at least.
        tau: where above 0, the last factor is `mean + tau`.

    Returns:
        `[documents]` in float64: a layer that is constant adds 0, layers with low means weigh more.
    """
    spread = np.maximum(statistics.high - statistics.low, eps).astype(np.float64)
    level = statistics.mean + tau if tau > 0 else np.maximum(statistics.mean, eps)
    factor = 1.0 / (spread * level * max(scores.shape[1], 1))
    shares = (scores.astype(np.float64) - statistics.low) * factor
    return np.asarray(shares.sum(1))  # a product of matrices depends on the block
