# SPDX-License-Identifier: Apache-2.0
"""The quality gate: scores how good the text up to each token is, on the input of every feed-forward network."""

from weave.gate import Argument, Gate, Site, Splice, Upstream
from weave.place import Place, Scaled


__all__ = ["GATE", "QualityGate", "Scaled"]


def set_up(self, config):
    self.quality_gate = QualityGate(config)
    self.scale_ffn = config.quality_gate_mode == "scale_ffn"


def score(self, hidden_states, output_quality_logits):
    if output_quality_logits or self.scale_ffn:
        _, good_ratio = self.quality_gate(hidden_states, output_quality_logits)


def scale(self, output, good_ratio):
    if self.scale_ffn:
        output = good_ratio.to(output.dtype) * output


def scale_norm(self, output, good_ratio):
    if self.scale_ffn:  # after the norm, which would undo it
        output = good_ratio.to(output.dtype) * output


def scale_inside(self, output, residual, added, whole, good_ratio):
    if self.scale_ffn:  # the module adds the residual itself
        output = residual + good_ratio.to(residual.dtype) * added
    else:
        output = whole


def scale_handed(self, output, good_ratio):
    if good_ratio is not None:
        output = good_ratio.to(output.dtype) * output


GATE = Gate(
    attribute="quality_gate",
    prefix="QualityGate",
    modules=("configuration", "asking", "outputs", "checks", "sums", "watching", "losses", "storage", "modeling"),
    home="llama",
    phrase="a quality gate on the input of every feed-forward network",
    exports=("quality_classification_loss",),
    balanced="balances_whole_sequences",
    sample="quality_loss_weight=1.0",
    asks=(
        Argument(
            "output_quality_logits",
            type="bool",
            default="False",
            doc="Whether the gates compute their scores. Callers pass `output_router_logits`, which decides.",
        ),
    ),
    splices=(
        Splice(Site.LAYER, set_up),
        Splice(Site.FEED_FORWARD_INPUT, score),
        Splice(Site.FEED_FORWARD_OUTPUT, scale),
        Splice(Site.FEED_FORWARD_NORM, scale_norm),
        Splice(Site.RESIDUAL_INSIDE, scale_inside),
        Splice(Site.HANDED_OUTPUT, scale_handed),
    ),
    float32=True,  # small updates of bfloat16 weights would round to nothing
    starts=("quality_gate_init_mean", "quality_gate_init_std"),
    scores=("output_router_logits", "quality_logits"),
    upstream=Upstream(
        without=(
            "save_quality_gates",  # there: `save_pretrained`, and a script for other formats
            "load_quality_gates",
            "check_gates_are_here",
            "state_without_hooks",
            "__getstate__",
            "__call__",  # nor does it explain what torch says of a user's sharding
            "explain_mixed_types",
            "quality_gate_fields",
            "check_quality_gate_fields",  # nor do other models there look after what becomes of their configs
            "print_quality_scores",  # there no model prints: its outputs hold every score
            "quality_loss_debug",
            "debug",
            "watch_quality_loss",  # there no trainer is made
            "__aliases__",  # what the original calls its classes
            "quality_labels",  # a name that nothing there has had
            "targets_by_their_old_name",
            "take_old_names",
            "keep_old_names",
            "QualityGateOldName",
            "tell_of_old_field",
            "fields_by_their_names",
            "from_dict",
            "scores_quality",  # there `_init_weights` sees the gate, and need not know its weight
        ),
        module="upstream",
        inputs="QUALITY_GATE_INPUTS",
        loss="with the weighted quality loss where scores are returned",
    ),
)


class QualityGate(Place):
    """Where a layer's gate goes: `QualityGate(reads="self.mlp", scales="self.mlp")`. The words are those of `Place`."""
