# SPDX-License-Identifier: Apache-2.0
"""KimiLinear with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.kimi_linear import modeling_kimi_linear as base


class QualityGateKimiLinearDecoderLayer(base.KimiLinearDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
