# SPDX-License-Identifier: Apache-2.0
"""GraniteMoeHybrid with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.granitemoehybrid import modeling_granitemoehybrid as base


class QualityGateGraniteMoeHybridDecoderLayer(base.GraniteMoeHybridDecoderLayer):
    quality_gate = QualityGate(
        reads="self.block_sparse_moe",
        scales="hidden_states",
        into="residual + hidden_states * self.residual_multiplier",
    )
