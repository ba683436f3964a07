from ..toy.modeling_toy import ToyConfig, ToyModel


class CaseConfig(ToyConfig):
    pass


class CaseModel(ToyModel):
    pass


__all__ = ["CaseConfig", "CaseModel"]
