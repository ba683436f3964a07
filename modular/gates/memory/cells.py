# SPDX-License-Identifier: Apache-2.0
"""Large banks are searched by cells: those of a grid, of which only the nearest are looked into."""

import math

import torch


ROWS_AT_ONCE = 256
FITTED_KEYS = 65536  # cells are fitted to as many


class MemoryCells:
    """The rows of a bank in the cells of a grid: the halves of their keys by the nearest of two lists of centres.

    Source: product keys (arXiv 1907.05242) with centres fitted to the keys, as an inverted multi-index has them.
    """

    def __init__(self, keys: torch.Tensor, filled: torch.Tensor):
        root = math.isqrt(len(keys))
        rows = filled.nonzero()[:, 0]
        some = rows[:: max(len(rows) // FITTED_KEYS, 1)]
        halves = keys[some].float().chunk(2, dim=-1)
        self.centres = torch.stack([centres_of(half, root) for half in halves])  # [2, root, knowledge_dim / 2]
        self.cells = torch.zeros(len(keys), dtype=torch.int32, device=keys.device)  # of each row
        self.place(rows, keys, filled)

    def place(self, rows: torch.Tensor, keys: torch.Tensor, filled: torch.Tensor) -> None:
        """Put rows whose keys are new into their cells; the centres stay."""
        for part in rows.split(65536) if len(rows) else ():
            self.cells[part] = self._cells(keys[part].float()).int()
        rows = filled.nonzero()[:, 0]
        cells = self.cells[rows]
        self.order = rows[cells.argsort(stable=True)].int()
        counts = torch.bincount(cells, minlength=self.centres.shape[1] ** 2)
        self.starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)]).int()

    def _cells(self, keys: torch.Tensor) -> torch.Tensor:
        first, second = (nearest_to(half, own) for half, own in zip(keys.chunk(2, dim=-1), self.centres))
        return first * self.centres.shape[1] + second

    def find(
        self, queries: torch.Tensor, keys: torch.Tensor, candidates: int, selected: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The nearest rows of the nearest cells: cosines and numbers, `[tokens, selected]`."""
        parts = [self._find(part, keys, candidates, selected) for part in queries.split(ROWS_AT_ONCE)]
        return torch.cat([each for each, _ in parts]), torch.cat([each for _, each in parts])

    def _find(
        self, queries: torch.Tensor, keys: torch.Tensor, candidates: int, selected: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        cells = self.nearest(queries, candidates)
        starts = self.starts[cells].long()
        counts = self.starts[cells + 1].long() - starts
        ends = counts.cumsum(-1)
        places = torch.arange(max(int(ends.max()), selected), device=queries.device).expand(len(queries), -1)
        which = torch.searchsorted(ends, places.contiguous(), right=True)
        is_there = which < candidates
        which = which.clamp(max=candidates - 1)
        inside = places - (ends - counts).gather(-1, which) + starts.gather(-1, which)
        rows = self.order[inside.clamp(0, max(len(self.order) - 1, 0))].long() if len(self.order) else inside * 0
        cosines = torch.einsum("td,tcd->tc", queries, keys[rows].to(queries)).masked_fill(~is_there, -1)
        found = cosines.topk(selected, dim=-1)
        return found.values, rows.gather(-1, found.indices).masked_fill(found.values == -1, 0)

    def nearest(self, queries: torch.Tensor, candidates: int) -> torch.Tensor:
        """The numbers of the cells whose centres are nearest, `[tokens, candidates]`, nearest first."""
        root = self.centres.shape[1]
        halves = zip(queries.chunk(2, dim=-1), self.centres.to(queries))
        tops = [(2 * half @ own.T - own.square().sum(-1)).topk(candidates, dim=-1) for half, own in halves]
        sums = (tops[0].values[:, :, None] + tops[1].values[:, None]).flatten(1)
        best = sums.topk(candidates, dim=-1).indices
        first, second = best // candidates, best % candidates
        return tops[0].indices.gather(-1, first) * root + tops[1].indices.gather(-1, second)


def centres_of(keys: torch.Tensor, number: int, rounds: int = 10) -> torch.Tensor:
    """As many centres of vectors `[keys, width]`: k-means from evenly spread ones, the same for the same keys."""
    if not len(keys):
        return keys.new_zeros(number, keys.shape[-1])
    centres = keys[torch.linspace(0, len(keys) - 1, number, device=keys.device).long()].clone()
    for _ in range(rounds):
        nearest = nearest_to(keys, centres)
        counts = torch.bincount(nearest, minlength=number)
        sums = torch.zeros_like(centres).index_add_(0, nearest, keys)
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centres)
    return centres


def nearest_to(keys: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Which of the centres each vector is nearest to, `[keys]`."""
    norms = centres.square().sum(-1)
    return torch.cat([(2 * part @ centres.T - norms).argmax(-1) for part in keys.split(8192)])
