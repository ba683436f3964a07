from ..far.modeling_far import ARGS, LIMIT, FarHead, describes
from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    @describes(ARGS)
    def forward(self, x):
        return min(x, LIMIT)


class CaseHead(FarHead):
    pass


__all__ = ["CaseModel", "CaseHead"]
