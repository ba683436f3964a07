# SPDX-License-Identifier: Apache-2.0
"""Kolibri1 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.kolibri1 import modeling_kolibri1 as base


class QualityGateKolibri1DecoderLayer(base.Kolibri1DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_mlp_layernorm")
