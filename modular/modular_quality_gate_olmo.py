# SPDX-License-Identifier: Apache-2.0
"""Olmo with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.olmo import modeling_olmo as base


class QualityGateOlmoDecoderLayer(base.OlmoDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
