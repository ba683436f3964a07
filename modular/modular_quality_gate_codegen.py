# SPDX-License-Identifier: Apache-2.0
"""CodeGen with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.codegen import modeling_codegen as base


class QualityGateCodeGenBlock(base.CodeGenBlock):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
