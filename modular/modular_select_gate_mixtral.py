# SPDX-License-Identifier: Apache-2.0
"""Mixtral with a select gate on the output of every mixture of experts."""

from gates.select import SelectGate
from transformers.models.mixtral import modeling_mixtral as base


class SelectGateMixtralDecoderLayer(base.MixtralDecoderLayer):
    select_gate = SelectGate(reads="self.mlp", scales="self.mlp")
