# SPDX-License-Identifier: Apache-2.0
"""HunYuanMoEV1 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.hunyuan_v1_moe import modeling_hunyuan_v1_moe as base


class QualityGateHunYuanMoEV1DecoderLayer(base.HunYuanMoEV1DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
