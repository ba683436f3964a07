# SPDX-License-Identifier: Apache-2.0
"""Mixtral with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.mixtral import modeling_mixtral as base


class QualityGateMixtralDecoderLayer(base.MixtralDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
