# SPDX-License-Identifier: Apache-2.0
"""Emu3 with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.emu3 import modeling_emu3 as base


class QualityGateEmu3DecoderLayer(base.Emu3DecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
