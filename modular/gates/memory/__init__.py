# SPDX-License-Identifier: Apache-2.0
"""The memory gate: finds rows of a bank of token sequences, and writes what they say at the end of layers."""

from weave.gate import Argument, Gate, Site, Splice, Upstream
from weave.place import Returns

from .modeling import fusion_of_memory, gate_of_memory, norm_for_memory


__all__ = ["GATE", "MemoryGate"]


def set_up(self, config, number):
    self.memory_norm = norm_for_memory(config, number)
    self.memory_gate = gate_of_memory(config, number, MemoryGate)
    self.gated_memory_fusion = fusion_of_memory(config, number)


def remember(self, output, memory):
    if memory is not None:
        output = memory.read(self, output)


GATE = Gate(
    attribute="memory_gate",
    prefix="MemoryGate",
    modules=(
        "configuration",
        "reading",
        "cells",
        "changes",
        "bank",
        "losses",
        "outputs",
        "storage",
        "content",
        "original",
        "modeling",
    ),
    home="llama",
    phrase="a memory gate, which reads a bank of token sequences at the end of layers",
    exports=("load_explicit_lm",),
    sample="knowledge_num=1024",
    float32=True,
    marks=(".memory_norm.", ".gated_memory_fusion.", ".memory.memory_bank"),
    zeros=(
        ".gated_memory_fusion.gain",
        ".gated_memory_fusion.down_proj.weight",
        ".gated_memory_fusion.down_proj.1.weight",
    ),
    bank="memory.memory_bank",
    starts=("zero_init_fusion",),
    scores=("output_memory", "memory_alphas"),
    tiny=(
        ("knowledge_num", 64),
        ("knowledge_length", 6),
        ("knowledge_dim", 8),
        ("num_candidates", 4),
        ("memory_heads", 2),
        ("memory_head_dim", 8),
    ),
    asks=(
        Argument(
            "memory",
            type="MemoryReading | None",
            default="None",
            doc="What the gates of this forward share. The base model makes it; callers give none.",
        ),
    ),
    splices=(Splice(Site.LAYER, set_up), Splice(Site.LAYER_OUTPUT, remember)),
    upstream=Upstream(
        without=(
            "save_memory_gates",  # there: `save_pretrained`, and a script for other formats
            "load_memory_gates",
            "load_explicit_lm",
            "take_original_fields",
            "__aliases__",
            "adopt_keys",  # a user's program that keeps keys
            "freeze_ratio",  # for what updates a bank while a model runs
            "memory_design",  # one design: that of the original project learns nothing
            "MEMORY_GATE_CHOICES",
            "ProductKeyMemoryGate",
            "SwiGLUMemoryFusion",
            "linear_of",
            "chosen",
            "similarity_loss",
            "diversity_loss",
            "gumbel_temperature",
            "similarity_scale",
            "gate_score_weight",
            "memory_alpha",
            "memory_rank",
            "memory_dropout",
            "similarity_loss_coef",
            "diversity_loss_coef",
            "diversity_mode",
            "read_vectors",
            "read_similarities",
            "has_read",
            "start_memory",  # there `_init_weights` sees the modules themselves
            "starts_at_zero",
        ),
        module="upstream",
        inputs="MEMORY_GATE_INPUTS",
        loss="with the losses of the memory gates",
    ),
)


class MemoryGate(Returns):
    """Where a layer's gate goes: `MemoryGate(returns="hidden_states")`. The words are those of `Returns`."""
