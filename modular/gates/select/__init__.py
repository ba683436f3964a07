# SPDX-License-Identifier: Apache-2.0
"""The select gate: lets a mixture of experts through by how good a token is, and a trash expert by how bad it is."""

from weave.gate import Gate, Site, Splice, Upstream
from weave.place import Place


__all__ = ["GATE", "SelectGate"]


def set_up(self, config):
    self.select_gate = SelectGate(config)


def score(self, hidden_states):
    _, good_ratio, trash = self.select_gate(hidden_states)


def mix(self, output, good_ratio, trash):
    output = self.select_gate.mix(output, good_ratio, trash)


GATE = Gate(
    attribute="select_gate",
    prefix="SelectGate",
    modules=("configuration", "losses", "outputs", "storage", "modeling"),
    home="olmoe",
    phrase="a select gate on the output of every mixture of experts",
    exports=("rename_select_moe", "select_quality_loss"),
    sample='trash_expert_mode="noise"',
    equals_base=(("select_gate_init", "open"),),
    float32=True,
    zeros=(".select_gate.",),
    base_fields=("router_aux_loss_coef", "output_router_logits"),
    scores=("output_router_logits", "quality_logits"),
    proven=(("output_router_logits", False),),
    own_outputs=("aux_loss",),
    splices=(
        Splice(Site.LAYER, set_up),
        Splice(Site.EXPERTS_INPUT, score),
        Splice(Site.EXPERTS_OUTPUT, mix),
    ),
    upstream=Upstream(
        without=(
            "selects_experts",  # there `_init_weights` sees the gate itself
            "check_load_balancing",  # nor do other models there have a constructor for it
            "rename_select_moe",  # a table there has the names of checkpoints
            "print_select_scores",  # there no model prints
            "quality_loss_debug",
        ),
        module="upstream",
        inputs="SELECT_GATE_INPUTS",
        loss="with the weighted quality loss where scores are returned",
    ),
)


class SelectGate(Place):
    """Where a layer's gate goes: `SelectGate(reads="self.mlp", scales="self.mlp")`. The words are those of `Place`."""
