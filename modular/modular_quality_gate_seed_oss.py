# SPDX-License-Identifier: Apache-2.0
"""SeedOss with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.seed_oss import modeling_seed_oss as base


class QualityGateSeedOssDecoderLayer(base.SeedOssDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
