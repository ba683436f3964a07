# SPDX-License-Identifier: Apache-2.0
"""Helium with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.helium import modeling_helium as base


class QualityGateHeliumDecoderLayer(base.HeliumDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
