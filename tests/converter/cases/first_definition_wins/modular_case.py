from ..toy.modeling_toy import ToyModel
from ..yet.modeling_yet import YetHead


class CaseModel(ToyModel):
    pass


class CaseHead(YetHead):
    pass


__all__ = ["CaseModel", "CaseHead"]
