# SPDX-License-Identifier: Apache-2.0
"""Qwen3 with a memory gate, which reads a bank of token sequences at the end of layers."""

from gates.memory import MemoryGate
from transformers.models.qwen3 import modeling_qwen3 as base


class MemoryGateQwen3DecoderLayer(base.Qwen3DecoderLayer):
    memory_gate = MemoryGate(returns="hidden_states")


# What the ExplicitLM project calls them
__aliases__ = {
    "ExplicitLMConfig": "MemoryGateQwen3Config",
    "ExplicitLMModel": "MemoryGateQwen3Model",
    "ExplicitLM": "MemoryGateQwen3ForCausalLM",
    "ExplicitLMForCausalLM": "MemoryGateQwen3ForCausalLM",
    "MemoryGate": "ProductKeyMemoryGate",
    "GatedMemoryFusion": "SwiGLUMemoryFusion",
}
