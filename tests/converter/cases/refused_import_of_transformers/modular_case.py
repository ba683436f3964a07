import torch

from transformers import PreTrainedModel


class CaseModel(PreTrainedModel):
    dtype = torch.float32


__all__ = ["CaseModel"]
