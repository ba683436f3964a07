from transformers.models.toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    pass


__all__ = ["CaseModel"]
