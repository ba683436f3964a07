from ..far.modeling_far import turn
from ..toy.modeling_toy import rotate


class CaseModel:
    def forward(self, x):
        return turn(x) + rotate(x)


__all__ = ["CaseModel"]
