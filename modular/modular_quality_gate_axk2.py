# SPDX-License-Identifier: Apache-2.0
"""AXK2 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.axk2 import modeling_axk2 as base


class QualityGateAXK2DecoderLayer(base.AXK2DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
