# SPDX-License-Identifier: Apache-2.0
"""Dots3Note with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.dots3_note import modeling_dots3_note as base


class QualityGateDots3NoteTextDecoderLayer(base.Dots3NoteTextDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
