"""How like the rows of a model's memory are to facts, by its own keys, which are computed once for each row. Needs torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from memory.values import Shape


_AT_A_TIME = 4096  # rows


class Likeness:
    """The keys of rows, as long as the rows stay as they were; whoever changed a row, its key is computed anew.

    Held: the token ids (int32) and the keys (float16) of all rows that may be overwritten, from the first `rank` on.
    """

    def __init__(self, model: Any, shape: Shape) -> None:
        self._model, self._shape = model, shape
        self._seen: torch.Tensor | None = None  # [rows, K] int32: of which the keys are
        self._keys = torch.empty(0)  # [rows, d]
        self._bounds = (0, 0)

    def rank(self, ids: torch.Tensor, start: int, stop: int, limit: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """The rows from `start` up to `stop` that are most like some facts, most alike first; empty rows are like none.

        Args:
            ids: the facts, [R, K].
            start, stop: numbers of rows.
            limit: how many, M; as many as there are facts without, which is enough to give each one of its own.

        Returns:
            Rows [R, M], and cosines [R, M]; -inf where there are no more rows that hold something.
        """
        with torch.inference_mode(False), torch.no_grad():  # what is kept may be written to in any mode
            device = self._model.memory_bank.device
            facts = self._model.memory_keys(ids.to(device)).float().cpu()
            self._renew(start, stop, facts.shape[1])
            wanted = min(limit or len(ids), stop - start)
            best, rows = torch.empty(len(ids), 0), torch.empty(len(ids), 0, dtype=torch.int64)
            for first in range(0, stop - start, _AT_A_TIME * 16):
                keys = self._keys[first : first + _AT_A_TIME * 16].float()
                found = facts @ keys.T
                found[:, ~self._used[first : first + len(keys)]] = -torch.inf
                places = (torch.arange(len(keys)) + first + start).expand(len(ids), -1)
                best, rows = torch.cat([best, found], 1), torch.cat([rows, places], 1)
                best, order = best.topk(min(wanted, best.shape[1]), 1)
                rows = rows.gather(1, order)
        return rows.numpy(), best.numpy()

    def _renew(self, start: int, stop: int, width: int) -> None:
        bank = self._model.memory_bank[start:stop]
        if self._seen is None or self._bounds != (start, stop):
            self._seen = torch.full(bank.shape, -1, dtype=torch.int32)
            self._keys, self._bounds = torch.zeros(len(bank), width, dtype=torch.float16), (start, stop)
            self._used = torch.zeros(len(bank), dtype=torch.bool)
        for first in range(0, len(bank), _AT_A_TIME):
            block = bank[first : first + _AT_A_TIME]
            now = block.to("cpu", torch.int32)
            stale = (now != self._seen[first : first + len(block)]).any(1).nonzero()[:, 0]
            if len(stale):
                used = (now[stale] != self._shape.pad_token_id).any(1)
                self._used[first + stale], self._seen[first + stale] = used, now[stale]
                if used.any():
                    rows = stale[used]
                    self._keys[first + rows] = self._model.memory_keys(block[rows.to(block.device)]).cpu().half()
