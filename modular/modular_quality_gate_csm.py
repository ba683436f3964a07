# SPDX-License-Identifier: Apache-2.0
"""CsmDepthDecoder with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.csm import modeling_csm as base


class QualityGateCsmDecoderLayer(base.CsmDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
