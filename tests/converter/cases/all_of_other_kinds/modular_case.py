from ..toy.configuration_toy import ToyConfig
from ..toy.modeling_toy import ToyModel


class CaseConfig(ToyConfig):
    pass


class CaseModel(ToyModel):
    pass


__all__ = ["CaseModel"]
