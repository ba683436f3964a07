# SPDX-License-Identifier: Apache-2.0
"""DeepseekV3 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.deepseek_v3 import modeling_deepseek_v3 as base


class QualityGateDeepseekV3DecoderLayer(base.DeepseekV3DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
