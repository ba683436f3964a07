# SPDX-License-Identifier: Apache-2.0
"""Gemma3 with a memory gate, which reads a bank of token sequences at the end of layers."""

from gates.memory import MemoryGate
from transformers.models.gemma3 import modeling_gemma3 as base


class MemoryGateGemma3DecoderLayer(base.Gemma3DecoderLayer):
    memory_gate = MemoryGate(returns="hidden_states")
