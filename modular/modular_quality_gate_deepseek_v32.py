# SPDX-License-Identifier: Apache-2.0
"""DeepseekV32 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.deepseek_v32 import modeling_deepseek_v32 as base


class QualityGateDeepseekV32DecoderLayer(base.DeepseekV32DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
