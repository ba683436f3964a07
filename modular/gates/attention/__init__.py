# SPDX-License-Identifier: Apache-2.0
"""The attention gate: scales what each head has read by a sigmoid of the layer's input, before the output projection."""

from weave.gate import Gate, Site, Splice, Upstream
from weave.place import Feeds


__all__ = ["GATE", "AttentionGate"]


def set_up(self, config, projection, heads, width):
    self.attention_gate = AttentionGate(config, projection, heads, width)


def scale(self, output, hidden_states):
    output, _ = self.attention_gate(output, hidden_states)


GATE = Gate(
    attribute="attention_gate",
    prefix="AttentionGate",
    modules=("configuration", "outputs", "storage", "modeling"),
    home="llama",
    phrase="an attention gate on the output of every head",
    exports=("split_query_gates",),
    sample='attention_gate_mode="elementwise"',
    equals_base=(("attention_gate_init", "identity"),),
    zeros=(".attention_gate.",),
    scores=("output_attention_gates", "attention_gates"),
    splices=(Splice(Site.LAYER, set_up), Splice(Site.ATTENTION_OUTPUT, scale)),
    upstream=Upstream(
        without=("starts_at_zero",),  # there `_init_weights` sees the gate itself
        module="upstream",
        inputs="ATTENTION_GATE_INPUTS",
    ),
)


class AttentionGate(Feeds):
    """Where an attention class's gate goes: `AttentionGate(feeds="self.o_proj")`. The words are those of `Feeds`."""
