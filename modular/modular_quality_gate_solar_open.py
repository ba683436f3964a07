# SPDX-License-Identifier: Apache-2.0
"""SolarOpen with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.solar_open import modeling_solar_open as base


class QualityGateSolarOpenDecoderLayer(base.SolarOpenDecoderLayer):
    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")
