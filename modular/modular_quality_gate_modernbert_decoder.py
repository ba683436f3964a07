# SPDX-License-Identifier: Apache-2.0
"""ModernBertDecoder with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.modernbert_decoder import modeling_modernbert_decoder as base


class QualityGateModernBertDecoderLayer(base.ModernBertDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
