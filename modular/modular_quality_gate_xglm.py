# SPDX-License-Identifier: Apache-2.0
"""XGLM with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.xglm import modeling_xglm as base


class QualityGateXGLMDecoderLayer(base.XGLMDecoderLayer):
    quality_gate = QualityGate(reads="self.fc1", scales="hidden_states", into="residual + hidden_states")
