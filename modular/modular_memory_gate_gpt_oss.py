# SPDX-License-Identifier: Apache-2.0
"""GptOss with a memory gate, which reads a bank of token sequences at the end of layers."""

from gates.memory import MemoryGate
from transformers.models.gpt_oss import modeling_gpt_oss as base


class MemoryGateGptOssDecoderLayer(base.GptOssDecoderLayer):
    memory_gate = MemoryGate(returns="hidden_states")
