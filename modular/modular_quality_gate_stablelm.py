# SPDX-License-Identifier: Apache-2.0
"""StableLM with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.stablelm import modeling_stablelm as base


class QualityGateStableLmDecoderLayer(base.StableLmDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.dropout")
