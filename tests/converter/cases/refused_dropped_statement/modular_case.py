from transformers.models.toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    size = 1
    size += 1


__all__ = ["CaseModel"]
