# SPDX-License-Identifier: Apache-2.0
"""AriaText with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.aria import modeling_aria as base


class QualityGateAriaTextDecoderLayer(base.AriaTextDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
