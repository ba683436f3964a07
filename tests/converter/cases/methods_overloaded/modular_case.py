from transformers.models.toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    def forward(self, x):
        return x * 2


__all__ = ["CaseModel"]
