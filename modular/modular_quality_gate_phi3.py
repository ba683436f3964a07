# SPDX-License-Identifier: Apache-2.0
"""Phi3 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.phi3 import modeling_phi3 as base


class QualityGatePhi3DecoderLayer(base.Phi3DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
