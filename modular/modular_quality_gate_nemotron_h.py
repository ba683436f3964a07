# SPDX-License-Identifier: Apache-2.0
"""NemotronH with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.nemotron_h import modeling_nemotron_h as base


class QualityGateNemotronHBlock(base.NemotronHBlock):
    quality_gate = QualityGate(
        reads="self.mixer(hidden_states)",
        scales="self.mixer(hidden_states)",
        when='self.block_type not in ("linear_attention", "full_attention")',
    )
