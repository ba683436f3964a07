# SPDX-License-Identifier: Apache-2.0
"""HYV4 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.hy_v4 import modeling_hy_v4 as base


class QualityGateHYV4DecoderLayer(base.HYV4DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
