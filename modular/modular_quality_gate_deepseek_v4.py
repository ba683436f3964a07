# SPDX-License-Identifier: Apache-2.0
"""DeepseekV4 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.deepseek_v4 import modeling_deepseek_v4 as base


class QualityGateDeepseekV4DecoderLayer(base.DeepseekV4DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
