# SPDX-License-Identifier: Apache-2.0
"""HYV3 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.hy_v3 import modeling_hy_v3 as base


class QualityGateHYV3DecoderLayer(base.HYV3DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
