import torch
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tvF

from ...image_processing_backends import PilBackend
from ...utils import TensorType


class CaseImageProcessorPil(PilBackend):
    def resize(self, image: torch.Tensor, kind: TensorType):
        return tvF.resize(F.pad(image), kind)


class CaseFeatureExtractor:
    def extract(self, sound) -> torch.Tensor:
        return sound


class CaseModel:
    def forward(self, x: torch.Tensor):
        return F.relu(x)


__all__ = ["CaseImageProcessorPil", "CaseFeatureExtractor", "CaseModel"]
