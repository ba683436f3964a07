# SPDX-License-Identifier: Apache-2.0
"""Qwen3 with a quality gate on the input of every feed-forward network; checkpoints of the original project load."""

from huggingface_hub.dataclasses import strict

from gates.quality import QualityGate
from transformers.models.qwen3 import modeling_qwen3 as base
from transformers.utils import auto_docstring


@auto_docstring(checkpoint="Qwen/Qwen3-1.7B")
@strict
class QualityGateQwen3Config(base.Qwen3Config):
    def __post_init__(self, **kwargs):
        if kwargs.get("model_type") == "quality_gate" and self.quality_loss_type == "beta":
            self.quality_loss_type = "linear"  # what the original computes, whatever its config says
        super().__post_init__(**kwargs)


class QualityGateQwen3DecoderLayer(base.Qwen3DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")


# What the original project calls them
__aliases__ = {
    "QualityGateConfig": "QualityGateQwen3Config",
    "QualityGate": "QualityGateQwen3Gate",
    "QualityGateDecoderLayer": "QualityGateQwen3DecoderLayer",
    "QualityGateModel": "QualityGateQwen3Model",
    "QualityGateForCausalLM": "QualityGateQwen3ForCausalLM",
}
