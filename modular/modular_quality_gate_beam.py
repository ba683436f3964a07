# SPDX-License-Identifier: Apache-2.0
"""Beam with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.beam import modeling_beam as base


class QualityGateBeamDecoderLayer(base.BeamDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_feedforward_layernorm")
