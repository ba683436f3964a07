# SPDX-License-Identifier: Apache-2.0
"""AXK1 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.axk1 import modeling_axk1 as base


class QualityGateAXK1DecoderLayer(base.AXK1DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
