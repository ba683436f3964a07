# SPDX-License-Identifier: Apache-2.0
"""Phi with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.phi import modeling_phi as base


class QualityGatePhiDecoderLayer(base.PhiDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
