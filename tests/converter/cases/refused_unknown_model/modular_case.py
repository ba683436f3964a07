from ..toi.modeling_toi import ToyModel


class CaseModel(ToyModel):
    pass


__all__ = ["CaseModel"]
