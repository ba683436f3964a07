# SPDX-License-Identifier: Apache-2.0
"""LLaMA with an attention gate on the output of every head."""

from gates.attention import AttentionGate
from transformers.models.llama import modeling_llama as base


class AttentionGateLlamaAttention(base.LlamaAttention):
    attention_gate = AttentionGate(feeds="self.o_proj")
