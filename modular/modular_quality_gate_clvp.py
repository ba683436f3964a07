# SPDX-License-Identifier: Apache-2.0
"""CLVP with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.clvp import modeling_clvp as base


class QualityGateClvpDecoderLayer(base.ClvpDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
