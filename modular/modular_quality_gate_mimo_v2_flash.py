# SPDX-License-Identifier: Apache-2.0
"""MiMoV2Flash with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.mimo_v2_flash import modeling_mimo_v2_flash as base


class QualityGateMiMoV2FlashDecoderLayer(base.MiMoV2FlashDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
