"""In which order documents are taken: by quality, at random, by perplexity, from clusters in turn, far from each other.

Every order is a permutation of all documents, best first. Pure.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


Block = Callable[[int, int], np.ndarray]  # features of the documents from one number to another: [documents, features]
_MANY = 100_000  # documents at which k-means goes by samples of them
_BLOCK = 65_536


def best_first(keys: np.ndarray, ids_of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Order by falling key; where keys are equal, by id, then as documents came. Keys that are no number come last.

    Args:
        keys: `[documents]`.
        ids_of: the ids of documents with these numbers; asked for only where keys are equal.
    """
    keys = np.where(np.isnan(keys), -np.inf, keys)
    order = np.argsort(-keys, kind="stable")
    ranked = keys[order]
    same = np.zeros(len(keys), bool)
    same[1:] = ranked[1:] == ranked[:-1]
    tied = same.copy()
    tied[:-1] |= same[1:]
    places = np.flatnonzero(tied)
    if len(places):
        group = np.cumsum(~same)[places]
        order[places] = order[places][np.lexsort((ids_of(order[places]), group))]
    return order


def at_random(count: int, seed: int) -> np.ndarray:
    """An order that says nothing of the documents, `[documents]`."""
    return np.random.default_rng(seed).permutation(count)


def from_clusters(groups: np.ndarray, by_score: np.ndarray) -> np.ndarray:
    """The best of every cluster, then the second best of each, and so on; clusters in the order of their numbers.

    Args:
        groups: the cluster of each document, `[documents]`.
        by_score: all documents, best first, `[documents]`.
    """
    sorted_groups = groups[by_score]
    by_group = np.argsort(sorted_groups, kind="stable")
    starts = np.searchsorted(sorted_groups[by_group], sorted_groups[by_group])
    turn = np.empty(len(groups), np.int64)
    turn[by_group] = np.arange(len(groups)) - starts
    return by_score[np.lexsort((sorted_groups, turn))]


def clusters(features: Block, count: int, wanted: int, seed: int) -> np.ndarray:
    """The cluster of each document by k-means, features standardised; as many clusters as there are distinct ones.

    Args:
        features: what gives `[documents, features]` of the documents from one number to another.
        count: how many documents there are.
        wanted: how many clusters, at most.
        seed: of k-means.

    Returns:
        `[documents]`, numbers of clusters from 0 on.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans

    low, high = _ends(count)
    mean, scale = _moments(features, low, high)

    def block(start: int, stop: int) -> np.ndarray:
        return np.asarray((features(start, stop) - mean) / scale)

    first = np.unique(block(0, min(count, _MANY)), axis=0)
    wanted = min(wanted, len(first))
    if count <= _MANY:
        model = KMeans(wanted, n_init=4, random_state=seed).fit(block(0, count))
        return np.asarray(model.labels_, np.int32)
    many = MiniBatchKMeans(wanted, random_state=seed, batch_size=_BLOCK, n_init=1)
    for start, stop in zip(low, high, strict=True):
        many.partial_fit(block(start, stop))
    found = [many.predict(block(start, stop)) for start, stop in zip(low, high, strict=True)]
    return np.asarray(np.concatenate(found), np.int32)


def farthest(features: np.ndarray, wanted: int) -> np.ndarray:
    """The first document, then each time the one farthest from all that were taken, by cosine distance.

    Args:
        features: `[documents, features]`, best document first; of documents equally far, the first is taken.
        wanted: how many are taken.

    Returns:
        Their numbers, in the order that they were taken in.
    """
    if not len(features) or wanted < 1:
        return np.zeros(0, np.int64)
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    units = (features / np.maximum(norms, 1e-12)).astype(np.float32)
    distance = np.full(len(units), np.inf, np.float32)
    taken, found = np.zeros(len(units), bool), [0]
    taken[0] = True
    for _ in range(min(wanted, len(units)) - 1):
        np.minimum(distance, 1 - units @ units[found[-1]], out=distance)
        found.append(int(np.argmax(np.where(taken, -np.inf, distance))))
        taken[found[-1]] = True
    return np.array(found)


def _ends(count: int) -> tuple[list[int], list[int]]:
    starts = list(range(0, count, _BLOCK))
    return starts, [min(start + _BLOCK, count) for start in starts]


def _moments(features: Block, low: list[int], high: list[int]) -> tuple[np.ndarray, np.ndarray]:
    total = squares = np.zeros(1)
    for start, stop in zip(low, high, strict=True):
        block = features(start, stop).astype(np.float64)
        total, squares = total + block.sum(0), squares + (block**2).sum(0)
    mean = total / max(high[-1], 1)
    return mean, np.sqrt(np.maximum(squares / max(high[-1], 1) - mean**2, 1e-12))
