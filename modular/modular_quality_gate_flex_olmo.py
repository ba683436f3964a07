# SPDX-License-Identifier: Apache-2.0
"""FlexOlmo with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.flex_olmo import modeling_flex_olmo as base


class QualityGateFlexOlmoDecoderLayer(base.FlexOlmoDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.post_feedforward_layernorm")
