# SPDX-License-Identifier: Apache-2.0
"""GPT-OSS with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.gpt_oss import modeling_gpt_oss as base


class QualityGateGptOssDecoderLayer(base.GptOssDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
