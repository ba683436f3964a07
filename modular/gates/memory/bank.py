# SPDX-License-Identifier: Apache-2.0
"""The bank: rows of tokens, and what is made of them to find and to read them."""

from collections import OrderedDict

import torch
from torch import nn

from transformers import initialization as init
from transformers.configuration_utils import PreTrainedConfig

from .cells import ROWS_AT_ONCE, MemoryCells
from .changes import below_gate, changed_rows, version, versions
from .configuration import memory_pad_of
from .reading import EnoughRead, MemoryReading


EXACT_ROWS = 4096  # up to here all keys are compared, which is faster than to look into cells
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
        self._seen: torch.Tensor | None = None  # the rows that all this was made of, in int32
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
        if len(wrong := rows[(rows < 0) | (rows >= number)]):
            raise IndexError(f"Row {int(wrong[0])} is none of the bank's, which has 0 to {number - 1}.")
        rows = rows.to(self.memory_bank.device)
        is_known = self._seen is not None and version(self.memory_bank) == self._known_rows
        with torch.inference_mode(self.memory_bank.is_inference()), torch.no_grad():
            self.memory_bank[rows] = token_ids.to(self.memory_bank)
        if is_known:  # the other rows need not be looked at
            self._seen[rows] = self.memory_bank[rows].to(self._seen)
            self._known_rows = version(self.memory_bank)
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

    @torch.inference_mode(False)  # what is kept may be written to in any mode
    @torch.no_grad()
    def refresh(self, model: nn.Module, gate: nn.Module) -> None:
        """Make the keys of all rows that have changed since they were made, of all rows where the gate has."""
        self._look(model)
        if (known := versions(gate.modules())) != self._known_gate:
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

    @torch.inference_mode(False)
    @torch.no_grad()
    def adopt_keys(self, model: nn.Module, gate: nn.Module, keys: torch.Tensor) -> None:
        """Take keys `[knowledge_num, knowledge_dim]` that were made of these very rows before, which spares making them.

        Raises:
            ValueError: their number or width is another one.
        """
        wanted = (len(self.memory_bank), model.config.get_text_config().knowledge_dim)
        if keys.shape != wanted:
            raise ValueError(f"The keys of this bank are {wanted}, but those given {tuple(keys.shape)}.")
        self._look(model)
        keys = keys.clone() if keys.is_inference() else keys
        self.keys, self.cells, self._known_gate = keys.to(self.memory_bank.device), None, versions(gate.modules())
        self.stale.fill_(False)

    @torch.inference_mode(False)
    @torch.no_grad()
    def _look(self, model: nn.Module) -> None:
        """Tell which rows have changed since they were last looked at, and whether the layers below the gate have."""
        bank, seen = self.memory_bank, self._seen
        if (known := version(bank)) != self._known_rows or bank.is_inference():
            self._known_rows = known
            if seen is None or seen.device != bank.device or seen.shape != bank.shape:
                self._seen = bank.int()
                self.keys, self.cells, self.filled = None, None, self.lengths(bank) > 0
                self.stale = torch.ones_like(self.filled)
                self.states.clear()
            elif len(rows := changed_rows(bank, seen)):
                seen[rows] = bank[rows].int()
                self._changed(rows)
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
            return found.values, found.indices.masked_fill(found.values == -1, 0)
        if self.cells is None:
            with torch.inference_mode(False), torch.no_grad():
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
