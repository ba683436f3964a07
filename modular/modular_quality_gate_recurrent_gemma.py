# SPDX-License-Identifier: Apache-2.0
"""RecurrentGemma with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.recurrent_gemma import modeling_recurrent_gemma as base


class QualityGateRecurrentGemmaDecoderLayer(base.RecurrentGemmaDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp_block", scales="self.mlp_block")
