# SPDX-License-Identifier: Apache-2.0
"""OPT with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.opt import modeling_opt as base


class QualityGateOPTDecoderLayer(base.OPTDecoderLayer):
    quality_gate = QualityGate(reads="self.fc1", scales="nn.functional.dropout", tokens="hidden_states_shape")
