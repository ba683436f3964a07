from ..toy.modeling_toy import ToyModel
from ..yet.modeling_yet import YetLayer, scaled


class CaseModel(ToyModel):
    pass


__all__ = ["CaseModel"]
