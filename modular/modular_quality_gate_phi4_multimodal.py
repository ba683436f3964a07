# SPDX-License-Identifier: Apache-2.0
"""Phi4Multimodal with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.phi4_multimodal import modeling_phi4_multimodal as base


class QualityGatePhi4MultimodalDecoderLayer(base.Phi4MultimodalDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
