# SPDX-License-Identifier: Apache-2.0
"""The gate, and what it adds to the classes of a model, by their roles."""

import torch
from torch import nn

from transformers import initialization as init
from transformers.modeling_utils import PreTrainedModel
from transformers.pytorch_utils import Conv1D
from transformers.utils.output_capturing import OutputRecorder

from .configuration import AttentionGateConfig, check_attention_gate_config
from .outputs import (
    AttentionGateOutput,
    loss_function_of_base,
    records_attention_gates,
    returns_attention_gates,
)
from .storage import split_query_gates


class AttentionGate(nn.Module):
    """Scales the output of each head by a sigmoid of one linear map of the layer's input.

    Source: Gated Attention (arXiv 2505.06708), its gate behind the attention function, here as a projection of its own.
    """

    def __init__(self, config: AttentionGateConfig, projection: nn.Module, heads: int, width: int):
        """`projection` is given the output of all `heads` side by side; `width` is that of the layer's input."""
        super().__init__()
        weight = next(projection.parameters())
        inputs = weight.shape[0] if isinstance(projection, Conv1D) else weight.shape[-1]
        if inputs % heads:
            raise ValueError(
                f"The output of attention has {inputs} channels, which {heads} heads do not share evenly."
            )
        self.channels = inputs // heads if config.attention_gate_mode == "elementwise" else 1
        self.doubles = config.attention_gate_init == "identity"
        self.gate = nn.Linear(width, heads * self.channels, bias=False)
        self.gate.starts_at_zero = self.doubles  # tells `_init_weights`, which sees modules with weights alone

    def forward(self, output: torch.Tensor, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What attention read, and the layer's input `[batch, tokens, width]`, to the scaled output and the gates.

        `output` has the heads side by side, in any shape that has all of a token's; gates are
        `[batch, tokens, heads, channels]`.
        """
        gates = self.gate(hidden_states).sigmoid().to(output.dtype)
        if self.doubles:
            gates = 2 * gates
        gates = gates.unflatten(-1, (-1, self.channels))
        heads = output.reshape(*gates.shape[:-1], -1)
        return (gates * heads).reshape(output.shape), gates


class AttentionGatePreTrainedModel(PreTrainedModel):
    _can_record_outputs = {"attention_gates": OutputRecorder(AttentionGate, index=1)}
    split_query_gates = staticmethod(split_query_gates)
    loss_function = property(loss_function_of_base, PreTrainedModel.loss_function.fset)

    def __init__(self, config: AttentionGateConfig, *inputs, **kwargs):
        check_attention_gate_config(config)
        super().__init__(config, *inputs, **kwargs)

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if getattr(module, "starts_at_zero", False):
            init.zeros_(module.weight)


class AttentionGateModel(AttentionGatePreTrainedModel):
    # as the queries, so that each device has the gates of its heads
    _tp_plan = {"layers.*.attention_gate.gate": "colwise"}

    @returns_attention_gates(AttentionGateOutput)
    @records_attention_gates
    def forward(self, *, output_attention_gates: bool | None = None, **kwargs): ...


class AttentionGateForCausalLM(AttentionGatePreTrainedModel):
    @returns_attention_gates(AttentionGateOutput)
    def forward(self, *, output_attention_gates: bool | None = None, **kwargs):
        r"""
        Example:

        ```python
        >>> outputs = model(**inputs, output_attention_gates=True)
        >>> gates = torch.stack(outputs.attention_gates)  # [layers, batch, tokens, heads, 1 or head_dim]
        ```"""
