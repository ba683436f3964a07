# SPDX-License-Identifier: Apache-2.0
"""Kosmos2_5Text with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.kosmos2_5 import modeling_kosmos2_5 as base


class QualityGateKosmos2_5TextBlock(base.Kosmos2_5TextBlock):
    quality_gate = QualityGate(reads="self.ffn", scales="self.ffn")
