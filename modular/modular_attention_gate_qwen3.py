# SPDX-License-Identifier: Apache-2.0
"""Qwen3 with an attention gate on the output of every head."""

from gates.attention import AttentionGate
from transformers.models.qwen3 import modeling_qwen3 as base


class AttentionGateQwen3Attention(base.Qwen3Attention):
    attention_gate = AttentionGate(feeds="self.o_proj")
