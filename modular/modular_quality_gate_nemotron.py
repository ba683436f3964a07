# SPDX-License-Identifier: Apache-2.0
"""Nemotron with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.nemotron import modeling_nemotron as base


class QualityGateNemotronDecoderLayer(base.NemotronDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
