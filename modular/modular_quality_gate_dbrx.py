# SPDX-License-Identifier: Apache-2.0
"""Dbrx with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.dbrx import modeling_dbrx as base


class QualityGateDbrxBlock(base.DbrxBlock):
    quality_gate = QualityGate(reads="self.ffn", scales="nn.functional.dropout")
