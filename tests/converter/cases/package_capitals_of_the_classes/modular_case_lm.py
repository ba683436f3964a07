from ..toy.configuration_toy import ToyConfig
from ..toy.modeling_toy import ToyModel


class CaseLMConfig(ToyConfig):
    pass


class CaseLMModel(ToyModel):
    pass


__all__ = ["CaseLMConfig", "CaseLMModel"]
