# SPDX-License-Identifier: Apache-2.0
"""Gemma3 with an attention gate on the output of every head."""

from gates.attention import AttentionGate
from transformers.models.gemma3 import modeling_gemma3 as base


class AttentionGateGemma3Attention(base.Gemma3Attention):
    attention_gate = AttentionGate(feeds="self.o_proj")
