# SPDX-License-Identifier: Apache-2.0
"""What memory gates say otherwise in a pull request to transformers, where there is one design: that of the content."""

import math
from collections.abc import Callable
from functools import wraps

import torch
from torch import nn

from transformers import initialization as init
from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_utils import PreTrainedModel

from .bank import EXACT_ROWS, KEPT_STATES
from .cells import MemoryCells
from .configuration import MEMORY_GATE_COUNTS, MemoryGateConfig, check_memory_bank_config, query_layer_of
from .content import CopyMemoryFusion, MemoryGate, MemoryNorm
from .outputs import MemoryCall, cache_of
from .reading import MemoryReading


MEMORY_GATE_RANGES = {
    "memory_sharpness": (0, math.inf),
    "memory_null_similarity": (-1, 1),
    "retrieval_loss_coef": (0, math.inf),
}


def check_memory_gate_config(config: PreTrainedConfig) -> None:
    """Raise a ValueError that names the first gate field out of range, its value and what is allowed."""
    for name, least in MEMORY_GATE_COUNTS.items():
        value = getattr(config, name)
        if not isinstance(value, int) or value < least:
            raise ValueError(f"`{name}` is {value!r}, but must be a whole number from {least} on.")
    for name, (low, high) in MEMORY_GATE_RANGES.items():
        value = getattr(config, name)
        if not isinstance(value, float | int) or not low <= value <= high or math.isinf(value):
            raise ValueError(f"`{name}` is {value!r}, but must be a number from {low} to {high}.")
    check_memory_bank_config(config)
    layers = config.get_text_config().num_hidden_layers
    for number in memory_layers_of(config):
        if not isinstance(number, int) or not 0 <= number < layers:
            raise ValueError(
                f"`memory_layers` names the layer {number!r}, but layers have the numbers 0 to {layers - 1} here."
            )
    query, first = query_layer_of(config), min(memory_layers_of(config), default=layers)
    if not 0 <= query <= min(first, layers - 1):
        raise ValueError(
            f"`memory_query_layer` is {query!r}, but must be the number of a layer that is not behind the first of "
            f"`memory_layers`, which is {first}."
        )


def memory_layers_of(config: PreTrainedConfig) -> tuple[int, ...]:
    """The numbers of the layers that write what was read, from 0."""
    config = config.get_text_config()
    layers = config.num_hidden_layers
    if config.memory_layers is not None:
        return tuple(config.memory_layers)
    return (max(round(0.8 * layers) - 1, 0),) if config.use_memory else ()


def memory_pad_of(config: PreTrainedConfig) -> int:
    """The token that rows of the bank end with where they are shorter: the model's own for padding, or else 0."""
    config = config.get_text_config()
    pad = config.memory_pad_token_id if config.memory_pad_token_id is not None else config.pad_token_id
    # CODEPATH: checkpoints whose `pad_token_id` is None, or -1, take the second path
    return pad if isinstance(pad, int) and 0 <= pad < config.vocab_size else 0


def gate_of_memory(config: MemoryGateConfig, number: int, gate: type[MemoryGate]) -> nn.Module | None:
    """What finds rows, in one layer: a `gate`."""
    return gate(config) if memory_layers_of(config) and number == query_layer_of(config) else None


def fusion_of_memory(config: MemoryGateConfig, number: int) -> nn.Module | None:
    """What writes them, for each layer of `memory_layers`."""
    return CopyMemoryFusion(config) if number in memory_layers_of(config) else None


@torch.no_grad()
def memory_keys(model: PreTrainedModel, token_ids: torch.Tensor) -> torch.Tensor:
    """The vectors of norm 1 by which rows of tokens `[rows, knowledge_length]` are found: `[rows, knowledge_dim]`."""
    base, bank = model.base_model, model.base_model.memory
    token_ids = token_ids.to(bank.memory_bank.device)
    return content_gate(base).keys(bank.encoded(base, token_ids), bank.masks(token_ids))


def content_gate(model: PreTrainedModel) -> nn.Module:
    """The gate that finds rows. Raises ValueError where there is none."""
    for each in model.base_model.modules():
        if hasattr(each, "null_similarity"):
            return each
    raise ValueError("No layer of this model finds rows of a memory: `memory_layers` is empty, or `use_memory` False.")


def reads_memory(forward: Callable) -> Callable:
    """Decorate the `forward` of a base model, between `returns_memory` and `capture_outputs`: it makes the reading."""

    @wraps(forward)
    def wrapper(self, *args, hand_on_memory: MemoryCall | None = None, **kwargs):
        config = self.config.get_text_config()
        if hand_on_memory is None or not config.use_memory:
            return forward(self, *args, **kwargs)
        call, mask = hand_on_memory, kwargs.get("attention_mask")
        memory = MemoryReading(self, mask, cache_of(kwargs), call.targets)
        call.reading = memory
        outputs = forward(self, *args, memory=memory, **kwargs | {"return_dict": True})
        memory.keep(cache_of(outputs))
        return outputs

    return wrapper


class MemoryBank(nn.Module):
    def __init__(self, config: PreTrainedConfig):
        super().__init__()
        self.pad = memory_pad_of(config)
        shape = (config.knowledge_num, config.knowledge_length)
        self.memory_bank = nn.Buffer(torch.full(shape, self.pad, dtype=torch.long))
        self.kept_states = KEPT_STATES
        self.forget()

    def find(self, queries: torch.Tensor, candidates: int, selected: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The rows whose keys are nearest to queries `[tokens, knowledge_dim]`, nearest first.

        In a bank of more than 4,096 rows they are looked for in the `candidates` nearest cells of the grid of product
        keys, so that a query costs about the root of the number of rows. `refresh` has made the keys.

        Returns:
            Cosines, and the numbers of the rows, both `[tokens, selected]`. Where fewer rows were found, -1 and row 0.
        """
        selected = min(selected, len(self.keys))
        if len(self.keys) <= EXACT_ROWS:
            cosines = (queries @ self.keys.to(queries).T).masked_fill(~self.filled.to(queries.device), -1)
            found = cosines.topk(selected, dim=-1)
            return found.values, found.indices.masked_fill(found.values == -1, 0)
        if self.cells is None:
            with torch.inference_mode(False), torch.no_grad():
                self.cells = MemoryCells(self.keys, self.filled)
        return self.cells.find(queries, self.keys, candidates, selected)


class MemoryGateModel(PreTrainedModel):
    _tp_plan = {  # each device finds and writes all: rows are of the whole vocabulary
        "layers.*.memory_gate.row_weights": "replicate",
        "layers.*.memory_gate.query_weights": "replicate",
        "layers.*.memory_gate.projection": "replicate",
        "layers.*.gated_memory_fusion.query": "replicate",
        "layers.*.gated_memory_fusion.key": "replicate",
        "layers.*.gated_memory_fusion.previous_key": "replicate",
    }


class MemoryGatePreTrainedModel(PreTrainedModel):
    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, MemoryNorm):
            init.ones_(module.weight)
        elif isinstance(module, MemoryBank):
            init.constant_(module.memory_bank, module.pad)
        elif isinstance(module, MemoryGate):
            init.constant_(module.null_similarity, module.start)
            init.constant_(module.log_scale, math.log(14.0))
            init.zeros_(module.row_weights.weight)
            init.zeros_(module.query_weights.weight)
        elif isinstance(module, CopyMemoryFusion):
            init.zeros_(module.silent_key)
            if module.starts_silent:
                init.zeros_(module.gain)
            else:
                init.normal_(module.gain, std=0.02)
