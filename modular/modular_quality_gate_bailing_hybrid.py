# SPDX-License-Identifier: Apache-2.0
"""BailingHybrid with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.bailing_hybrid import modeling_bailing_hybrid as base


class QualityGateBailingHybridDecoderLayer(base.BailingHybridDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
