from ..toy.configuration_toy import ToyConfig
from ..toy.modeling_toy import ToyHead, ToyModel


class CaseLMConfig(ToyConfig):
    pass


class CaseLMModel(ToyModel):
    pass


class CASELMHead(ToyHead):
    pass


__all__ = ["CaseLMConfig", "CaseLMModel", "CASELMHead"]
