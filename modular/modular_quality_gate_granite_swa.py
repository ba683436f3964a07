# SPDX-License-Identifier: Apache-2.0
"""GraniteSWA with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.granite_swa import modeling_granite_swa as base


class QualityGateGraniteSWADecoderLayer(base.GraniteSWADecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
