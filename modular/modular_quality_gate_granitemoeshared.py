# SPDX-License-Identifier: Apache-2.0
"""GraniteMoeShared with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.granitemoeshared import modeling_granitemoeshared as base


class QualityGateGraniteMoeSharedDecoderLayer(base.GraniteMoeSharedDecoderLayer):
    quality_gate = QualityGate(reads="self.block_sparse_moe", scales="self.shared_mlp")
