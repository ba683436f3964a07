# SPDX-License-Identifier: Apache-2.0
"""Llama with a quality gate on the input of every feed-forward network."""

from huggingface_hub.dataclasses import strict

from gates.quality import QualityGate
from transformers.models.llama import modeling_llama as base
from transformers.utils import auto_docstring


@auto_docstring(checkpoint="HuggingFaceTB/SmolLM2-135M")
@strict
class QualityGateLlamaConfig(base.LlamaConfig):
    pass


class QualityGateLlamaDecoderLayer(base.LlamaDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
