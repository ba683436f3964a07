# SPDX-License-Identifier: Apache-2.0
"""The bank: rows of tokens, and what is made of them to find and to read them."""

import math
from collections import OrderedDict
from collections.abc import Iterable

import torch
from torch import nn

from transformers import initialization as init
from transformers.configuration_utils import PreTrainedConfig

from .configuration import memory_pad_of
from .reading import EnoughRead, MemoryReading


EXACT_ROWS = 4096  # up to here all keys are compared, which is faster than to look into cells
ROWS_AT_ONCE = 256
FITTED_KEYS = 65536  # cells are fitted to as many
KEPT_STATES = 64 * 2**20  # bytes of the states of rows that were read last


class MemoryBank(nn.Module):
    """Rows of tokens that people can read and edit, never trained, and what is made of them.

    `memory_bank` is `[knowledge_num, knowledge_length]`. A row ends at its last token that is no padding. Everything else
    is made of it when it is wanted, and made again for the rows that have changed since.
    """

    def __init__(self, config: PreTrainedConfig):
        super().__init__()
        self.pad = memory_pad_of(config)
        shape = (config.knowledge_num, config.knowledge_length)
        self.register_buffer("memory_bank", torch.full(shape, self.pad, dtype=torch.long))
        self.kept_states = KEPT_STATES
        self.forget()

    def start_memory(self) -> None:
        """Fill the bank with empty rows, unless it was loaded."""
        init.constant_(self.memory_bank, self.pad)

    def forget(self) -> None:
        """Have everything that is made of the rows made again."""
        self.keys: torch.Tensor | None = None
        self.cells: MemoryCells | None = None
        self.states: OrderedDict[int, torch.Tensor] = OrderedDict()
        self.filled: torch.Tensor | None = None  # which rows are not empty
        self.stale: torch.Tensor | None = None  # whose keys are to be made
        self._digests: torch.Tensor | None = None
        self._known_rows = self._known_layers = self._known_gate = ()

    def __getstate__(self) -> dict:
        kept = MemoryBank.__new__(MemoryBank)
        kept.forget()
        return self.__dict__ | vars(kept)

    def lengths(self, token_ids: torch.Tensor) -> torch.Tensor:
        """How many tokens each row has, `[rows]`: up to its last one that is no padding."""
        places = torch.arange(1, token_ids.shape[1] + 1, device=token_ids.device)
        return ((token_ids != self.pad) * places).amax(1)

    def masks(self, token_ids: torch.Tensor) -> torch.Tensor:
        """Which places of rows hold their tokens, `[rows, knowledge_length]`."""
        return torch.arange(token_ids.shape[1], device=token_ids.device) < self.lengths(token_ids)[:, None]

    def write(self, rows: torch.Tensor, token_ids: torch.Tensor) -> None:
        """Write `token_ids`, `[rows, knowledge_length]`, into the bank.

        Raises:
            IndexError: a row is none of the bank's.
            ValueError: the tokens have not the shape of the rows.
        """
        number, length = self.memory_bank.shape
        if token_ids.shape != (len(rows), length):
            raise ValueError(
                f"{len(rows)} rows have {length} tokens each, but those to write are {tuple(token_ids.shape)}."
            )
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < number:
            raise IndexError(f"Row {int(rows.max())} is none of the bank's, which has 0 to {number - 1}.")
        rows = rows.to(self.memory_bank.device)
        is_known = self._digests is not None and versions([self.memory_bank]) == self._known_rows
        with torch.no_grad():
            self.memory_bank[rows] = token_ids.to(self.memory_bank)
        if is_known:  # the other rows need not be looked at
            self._digests[rows] = digest_of(self.memory_bank[rows])
            self._known_rows = versions([self.memory_bank])
            self._changed(rows)

    def encoded(self, model: nn.Module, token_ids: torch.Tensor) -> torch.Tensor:
        """The states that keys of rows are made of, `[rows, knowledge_length, hidden_size]`."""
        mask = self.masks(token_ids)
        mask[:, 0] = True  # an empty row has to attend to something
        return states_below(model, token_ids, mask.long())

    def states_of(self, model: nn.Module, rows: torch.Tensor) -> torch.Tensor:
        """The same for rows of the bank, of which those that were read last are kept."""
        self._look(model)
        wanted = rows.tolist()
        missing = list(dict.fromkeys(row for row in wanted if row not in self.states))
        for start in range(0, len(missing), ROWS_AT_ONCE):
            part = missing[start : start + ROWS_AT_ONCE]
            for row, states in zip(part, self.encoded(model, self.memory_bank[part]).unbind()):
                self.states[row] = states.clone()
        found = []
        for row in wanted:
            self.states.move_to_end(row)
            found.append(self.states[row])
        size = found[0].numel() * found[0].element_size() if found else 1
        while len(self.states) > max(self.kept_states // size, 1):
            self.states.popitem(last=False)
        return torch.stack(found)

    @torch.no_grad()
    def refresh(self, model: nn.Module, gate: nn.Module) -> None:
        """Make the keys of all rows that have changed since they were made, of all rows where the gate has."""
        self._look(model)
        if (known := versions(gate.parameters())) != self._known_gate:
            self._known_gate = known
            self.stale.fill_(True)
            self.cells = None
        if self.keys is None:
            number, width = len(self.memory_bank), model.config.get_text_config().knowledge_dim
            kind = torch.float32 if number * width <= 2**24 else torch.float16
            self.keys = torch.zeros(number, width, dtype=kind, device=self.memory_bank.device)
        rows = (self.stale & self.filled).nonzero()[:, 0]
        for part in rows.split(ROWS_AT_ONCE) if len(rows) else ():
            tokens = self.memory_bank[part]
            self.keys[part] = gate.keys(self.encoded(model, tokens), self.masks(tokens)).to(self.keys)
        if self.cells is not None and self.stale.any():
            self.cells.place(self.stale.nonzero()[:, 0], self.keys, self.filled)
        self.stale.fill_(False)

    def adopt_keys(self, model: nn.Module, gate: nn.Module, keys: torch.Tensor) -> None:
        """Take keys `[knowledge_num, knowledge_dim]` that were made of these very rows before, which spares making them.

        Raises:
            ValueError: their number or width is another one.
        """
        wanted = (len(self.memory_bank), model.config.get_text_config().knowledge_dim)
        if keys.shape != wanted:
            raise ValueError(f"The keys of this bank are {wanted}, but those given {tuple(keys.shape)}.")
        self._look(model)
        self.keys, self.cells, self._known_gate = keys.to(self.memory_bank.device), None, versions(gate.parameters())
        self.stale.fill_(False)

    def _look(self, model: nn.Module) -> None:
        """Tell which rows have changed since they were last looked at, and whether the layers below the gate have."""
        rows = versions([self.memory_bank])
        if rows != self._known_rows:
            digests, before = digest_of(self.memory_bank), self._digests
            self._digests, self._known_rows = digests, rows
            if before is None or before.device != digests.device:
                self.keys, self.filled = None, self.lengths(self.memory_bank) > 0
                self.stale = torch.ones_like(self.filled)
                self.states.clear()
            else:
                self._changed((digests != before).nonzero()[:, 0])
        layers = versions(below_gate(model))
        if layers != self._known_layers:
            self._known_layers = layers
            self.stale.fill_(True)
            self.states.clear()
            self.cells = None

    def _changed(self, rows: torch.Tensor) -> None:
        self.stale[rows] = True
        self.filled[rows] = self.lengths(self.memory_bank[rows]) > 0
        for row in rows.tolist():
            self.states.pop(row, None)

    def find(self, queries: torch.Tensor, candidates: int, selected: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The rows whose keys are nearest to queries `[tokens, knowledge_dim]`, nearest first.

        In a bank of more than 4,096 rows they are looked for in the `candidates` nearest cells of the grid of product
        keys, so that a query costs about the root of the number of rows.

        Returns:
            Cosines, and the numbers of the rows, both `[tokens, selected]`. Where fewer rows were found, -1 and row 0.
        """
        assert self.keys is not None and self.filled is not None
        selected = min(selected, len(self.keys))
        if len(self.keys) <= EXACT_ROWS:
            cosines = (queries @ self.keys.to(queries).T).masked_fill(~self.filled.to(queries.device), -1)
            found = cosines.topk(selected, dim=-1)
            return found.values, found.indices
        if self.cells is None:
            self.cells = MemoryCells(self.keys, self.filled)
        return self.cells.find(queries, self.keys, candidates, selected)


@torch.no_grad()
def states_below(
    model: nn.Module, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None
) -> torch.Tensor:
    """The states that queries and keys are made of, `[batch, tokens, hidden_size]`: the output of an early layer.

    Raises:
        ValueError: no layer of this model finds rows.
    """
    base, was_training = model.base_model, model.training
    base.eval()
    try:
        memory = MemoryReading(base, attention_mask, stops=True)
        base.forward(input_ids=input_ids, attention_mask=attention_mask, use_cache=False, memory=memory)
    except EnoughRead as read:
        return read.hidden_states
    finally:
        base.train(was_training)
    raise ValueError("No layer of this model finds rows of a memory: `memory_layers` is empty, or `use_memory` False.")


def digest_of(token_ids: torch.Tensor) -> torch.Tensor:
    """A number for the tokens of each row, `[rows]`, by which a changed row is told."""
    odd = torch.arange(1, token_ids.shape[1] + 1, device=token_ids.device) * 0x9E3779B97F4A7C1 | 1
    return ((token_ids + 1) * odd).sum(1)


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


def below_gate(model: nn.Module) -> list[nn.Parameter]:
    """The weights that the states of rows depend on, as far as names tell: those of layers behind the gate do not."""
    found = vars(model).get("_below_memory_gate")
    if found is None:
        gate = next((name for name, each in model.named_modules() if name.endswith(".memory_gate") and each), "")
        number = next((int(part) for part in gate.split(".") if part.isdigit()), 0)
        found = []
        for name, weight in model.named_parameters():
            numbers = [int(part) for part in name.split(".") if part.isdigit()]
            if (not numbers or numbers[0] <= number) and "memory_" not in name:
                found.append(weight)
        vars(model)["_below_memory_gate"] = found
    return found


def versions(tensors: Iterable[torch.Tensor]) -> tuple:
    """What tells whether tensors are as they were: how often each was written to, and where it lies."""
    return tuple((0 if each.is_inference() else each._version, each.data_ptr()) for each in tensors)
