# SPDX-License-Identifier: Apache-2.0
"""Starcoder2 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.starcoder2 import modeling_starcoder2 as base


class QualityGateStarcoder2DecoderLayer(base.Starcoder2DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
