from ..toy.modeling_toy import ToyEncoder, ToyModel
from ..yet.modeling_yet import YetHead


class CaseHead(YetHead):
    pass


class CaseModel(ToyModel):
    encoder = ToyEncoder  # nothing of the delta inherits from it: an import like any other

    def head(self):
        return YetHead()


__all__ = ["CaseModel", "CaseHead"]
