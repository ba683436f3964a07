# SPDX-License-Identifier: Apache-2.0
"""BitNet with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.bitnet import modeling_bitnet as base


class QualityGateBitNetDecoderLayer(base.BitNetDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
