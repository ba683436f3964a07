# SPDX-License-Identifier: Apache-2.0
"""HunYuanDenseV1 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.hunyuan_v1_dense import modeling_hunyuan_v1_dense as base


class QualityGateHunYuanDenseV1DecoderLayer(base.HunYuanDenseV1DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
