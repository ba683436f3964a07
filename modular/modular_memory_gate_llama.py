# SPDX-License-Identifier: Apache-2.0
"""LLaMA with a memory gate, which reads a bank of token sequences at the end of layers."""

from gates.memory import MemoryGate
from transformers.models.llama import modeling_llama as base


class MemoryGateLlamaDecoderLayer(base.LlamaDecoderLayer):
    memory_gate = MemoryGate(returns="hidden_states")
