from ..far.modeling_far import spread
from ..yet.modeling_yet import apply


class CaseModel:
    def forward(self, x):
        return spread(apply(x))


__all__ = ["CaseModel"]
