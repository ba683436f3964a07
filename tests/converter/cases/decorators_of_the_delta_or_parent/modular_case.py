from ...utils import keep_in_float, no_inherit_decorator
from ..toy.modeling_toy import ToyMLP, ToyModel, ToyNorm


class CaseNorm(ToyNorm):
    def forward(self, x):
        return x

    @keep_in_float
    def other(self, x):
        return x


@keep_in_float
class CaseMLP(ToyMLP):
    pass


@no_inherit_decorator
class CaseModel(ToyModel):
    @no_inherit_decorator
    def forward(self, x):
        return x


__all__ = ["CaseModel"]
