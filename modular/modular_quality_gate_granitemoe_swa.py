# SPDX-License-Identifier: Apache-2.0
"""GraniteMoeSWA with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.granitemoe_swa import modeling_granitemoe_swa as base


class QualityGateGraniteMoeSWADecoderLayer(base.GraniteMoeSWADecoderLayer):
    quality_gate = QualityGate(reads="self.block_sparse_moe", scales="self.shared_mlp")
