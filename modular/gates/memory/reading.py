# SPDX-License-Identifier: Apache-2.0
"""What the gates of one forward share: the bank, what the call asks, and what was found of it so far."""

from typing import Any

import torch
from torch import nn

from transformers.cache_utils import Cache, DynamicLayer
from transformers.modeling_utils import PreTrainedModel


class EnoughRead(Exception):
    """Ends a forward at the layer whose output is all that is wanted of it."""

    def __init__(self, hidden_states: torch.Tensor):
        super().__init__()
        self.hidden_states = hidden_states


class MemorySums(DynamicLayer):
    """A layer of a cache with what queries are made of: for each token the sums over all up to it.

    `keys` are `[batch, heads, tokens, knowledge_dim]`, `values` the sums of the weights, `[batch, heads, tokens, 1]`.
    As a layer of the cache it is reordered, repeated and cropped with the others.
    """


class MemoryReading:
    """What the gates of one forward share. The base model makes it, and hands it to its layers.

    `rows`, `found` and `alphas` hold what each gate found, by the number of the gate: rows and whether they were found
    (where there was none, the row is 0), `[batch, tokens, num_selected]`, and how far they are let in, `[batch, tokens]`.
    `losses` hold what gates learn from, by the name of the loss and the number of the gate.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        attention_mask: Any = None,
        cache: Cache | None = None,
        targets: torch.Tensor | None = None,
        stops: bool = False,
    ):
        """With `stops` the forward ends with EnoughRead, at the states that queries and keys are made of."""
        self.model, self.config = model, model.config.get_text_config()
        self.attention_mask, self.targets, self.stops = attention_mask, targets, stops
        self.before = sums_in(cache)
        self.sums: tuple[torch.Tensor, torch.Tensor] | None = None
        self.rows: dict[int, torch.Tensor] = {}
        self.found: dict[int, torch.Tensor] = {}
        self.alphas: dict[int, torch.Tensor] = {}
        self.losses: dict[str, dict[int, torch.Tensor]] = {}
        # what the last gate of the original design read, [batch, tokens, num_selected, hidden_size], and how alike it is
        # and whether there was any, [batch, tokens]
        self.read_vectors: torch.Tensor | None = None
        self.read_similarities: torch.Tensor | None = None
        self.has_read: torch.Tensor | None = None
        self.seen = 0 if cache is None else int(cache.get_seq_length())  # tokens in the cache

    @property
    def bank(self) -> nn.Module:
        """The bank of the model."""
        return self.model.memory

    def read(self, layer: nn.Module, hidden_states: torch.Tensor) -> torch.Tensor:
        """The output of a layer, `[batch, tokens, hidden_size]`, with what its gates add to it."""
        if layer.memory_gate is None and layer.gated_memory_fusion is None:
            return hidden_states
        normed = hidden_states if layer.memory_norm is None else layer.memory_norm(hidden_states)
        if layer.memory_gate is not None:
            if self.stops:
                raise EnoughRead(hidden_states)
            layer.memory_gate(normed, self, hidden_states)
        if layer.gated_memory_fusion is None:
            return hidden_states
        return hidden_states + layer.gated_memory_fusion(normed, self, hidden_states)

    def visible(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Which tokens are no padding, `[batch, tokens]`, as far as the attention mask says so."""
        batch, length = hidden_states.shape[:2]
        mask = self.attention_mask
        if isinstance(mask, dict):  # prepared for each kind of layer
            mask = mask.get("full_attention", next(iter(mask.values()), None))
        if not isinstance(mask, torch.Tensor):
            return torch.ones(batch, length, dtype=torch.bool, device=hidden_states.device)
        if mask.ndim == 4:  # prepared for attention: what the last token sees
            seen = mask[:, 0, -1, :]
            seen = seen if seen.dtype == torch.bool else seen == 0
            mask = seen[:, self.seen : self.seen + length]
        return mask[:, -length:].bool().to(hidden_states.device).expand(batch, length)

    def keep(self, cache: Cache | None) -> None:
        """Put what later tokens need into the cache that the model returns."""
        if cache is None or self.sums is None:
            return
        layers = layers_of(cache)
        layer = next((each for each in layers if isinstance(each, MemorySums)), None)
        if layer is None:
            layer = MemorySums()
            layers.append(layer)
        layer.update(*self.sums)


def sums_in(cache: Cache | None) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The sums up to the last token that a cache holds."""
    sums = (each for each in layers_of(cache) if isinstance(each, MemorySums) and each.get_seq_length() > 0)
    layer = next(sums, None)
    return None if layer is None else (layer.keys, layer.values)


def layers_of(cache: Cache | None) -> list:
    """The layers of a cache; of one for decoders that read an encoder, those of the decoder's own tokens."""
    return getattr(getattr(cache, "self_attention_cache", cache), "layers", [])
