# SPDX-License-Identifier: Apache-2.0
"""Inkling with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.inkling import modeling_inkling as base


class QualityGateInklingDecoderLayer(base.InklingDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp_sconv")
