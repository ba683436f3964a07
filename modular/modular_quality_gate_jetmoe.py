# SPDX-License-Identifier: Apache-2.0
"""JetMoe with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.jetmoe import modeling_jetmoe as base


class QualityGateJetMoeDecoderLayer(base.JetMoeDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
