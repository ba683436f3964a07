# SPDX-License-Identifier: Apache-2.0
"""NanoChat with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.nanochat import modeling_nanochat as base


class QualityGateNanoChatDecoderLayer(base.NanoChatDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
