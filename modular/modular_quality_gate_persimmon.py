# SPDX-License-Identifier: Apache-2.0
"""Persimmon with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.persimmon import modeling_persimmon as base


class QualityGatePersimmonDecoderLayer(base.PersimmonDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.dropout")
