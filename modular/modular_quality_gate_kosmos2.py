# SPDX-License-Identifier: Apache-2.0
"""Kosmos2Text with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.kosmos2 import modeling_kosmos2 as base


class QualityGateKosmos2TextBlock(base.Kosmos2TextBlock):
    quality_gate = QualityGate(reads="self.ffn", scales="self.ffn")
