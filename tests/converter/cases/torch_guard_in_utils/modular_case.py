# The licence.
"""What this is."""

import math

from ...utils import TensorType


if is_torch_available():
    import torch


class CaseFeatureExtractor:
    def extract(self, sound: torch.Tensor, kind: TensorType) -> torch.Tensor:
        return math.pi * sound


__all__ = ["CaseFeatureExtractor"]
