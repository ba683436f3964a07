# SPDX-License-Identifier: Apache-2.0
"""GptOss with a select gate on the output of every mixture of experts."""

from gates.select import SelectGate
from transformers.models.gpt_oss import modeling_gpt_oss as base


class SelectGateGptOssDecoderLayer(base.GptOssDecoderLayer):
    select_gate = SelectGate(reads="self.mlp", scales="self.mlp")
