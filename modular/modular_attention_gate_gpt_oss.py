# SPDX-License-Identifier: Apache-2.0
"""gpt-oss with an attention gate on the output of every head."""

from gates.attention import AttentionGate
from transformers.models.gpt_oss import modeling_gpt_oss as base


class AttentionGateGptOssAttention(base.GptOssAttention):
    attention_gate = AttentionGate(feeds="self.o_proj")
