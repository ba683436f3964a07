# SPDX-License-Identifier: Apache-2.0
"""OLMoE with a select gate on the output of every mixture of experts."""

from gates.select import SelectGate
from transformers.models.olmoe import modeling_olmoe as base


class SelectGateOlmoeDecoderLayer(base.OlmoeDecoderLayer):
    select_gate = SelectGate(reads="self.mlp", scales="self.mlp")
