# SPDX-License-Identifier: Apache-2.0
"""Afmoe with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.afmoe import modeling_afmoe as base


class QualityGateAfmoeDecoderLayer(base.AfmoeDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_mlp_layernorm")
