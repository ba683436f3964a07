# SPDX-License-Identifier: Apache-2.0
"""VaultGemma with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.vaultgemma import modeling_vaultgemma as base


class QualityGateVaultGemmaDecoderLayer(base.VaultGemmaDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
