# SPDX-License-Identifier: Apache-2.0
"""Llama4 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.llama4 import modeling_llama4 as base


class QualityGateLlama4TextDecoderLayer(base.Llama4TextDecoderLayer):
    quality_gate = QualityGate(
        reads="self.feed_forward",
        scales="hidden_states.view(residual.shape)",
        into="residual + hidden_states.view(residual.shape)",
    )
