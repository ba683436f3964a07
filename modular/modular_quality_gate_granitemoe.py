# SPDX-License-Identifier: Apache-2.0
"""GraniteMoe with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.granitemoe import modeling_granitemoe as base


class QualityGateGraniteMoeDecoderLayer(base.GraniteMoeDecoderLayer):
    quality_gate = QualityGate(reads="self.block_sparse_moe", scales="self.block_sparse_moe")
