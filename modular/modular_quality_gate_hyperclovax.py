# SPDX-License-Identifier: Apache-2.0
"""HyperCLOVAX with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.hyperclovax import modeling_hyperclovax as base


class QualityGateHyperCLOVAXDecoderLayer(base.HyperCLOVAXDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_norm2")
