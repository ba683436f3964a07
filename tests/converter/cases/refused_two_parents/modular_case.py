from ..toy.modeling_toy import ToyModel
from ..yet.modeling_yet import YetMixin


class CaseModel(YetMixin, ToyModel):
    pass


__all__ = ["CaseModel"]
