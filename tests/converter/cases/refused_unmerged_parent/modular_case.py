import transformers.models.toy.modeling_toy as toy
from torch import nn
from transformers.models.toy import modeling_toy


class CaseMLP(toy.ToyMLP):
    pass


class CaseOtherMLP(modeling_toy.ToyMLP, nn.Module):
    pass


__all__ = ["CaseMLP", "CaseOtherMLP"]
