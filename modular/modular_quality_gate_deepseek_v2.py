# SPDX-License-Identifier: Apache-2.0
"""DeepseekV2 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.deepseek_v2 import modeling_deepseek_v2 as base


class QualityGateDeepseekV2DecoderLayer(base.DeepseekV2DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
