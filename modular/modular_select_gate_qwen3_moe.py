# SPDX-License-Identifier: Apache-2.0
"""Qwen3MoE with a select gate on the output of every mixture of experts."""

from gates.select import SelectGate
from transformers.models.qwen3_moe import modeling_qwen3_moe as base


class SelectGateQwen3MoeDecoderLayer(base.Qwen3MoeDecoderLayer):
    select_gate = SelectGate(reads="self.mlp", scales="self.mlp", when='hasattr(self.mlp, "experts")')
