# The licence.

import numpy as np

from ...utils import TensorType, is_torch_available, is_torchvision_available


if is_torch_available():
    import torch

if is_torchvision_available():
    import torchvision
    from ...image_utils import pil_torch_interpolation_mapping


class CaseImageProcessorPil:
    def resize(self, image: torch.Tensor, kind: TensorType):
        return torchvision.resize(np.array(image), kind, pil_torch_interpolation_mapping)


__all__ = ["CaseImageProcessorPil"]
