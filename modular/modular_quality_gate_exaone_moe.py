# SPDX-License-Identifier: Apache-2.0
"""ExaoneMoe with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.exaone_moe import modeling_exaone_moe as base


class QualityGateExaoneMoeDecoderLayer(base.ExaoneMoeDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
