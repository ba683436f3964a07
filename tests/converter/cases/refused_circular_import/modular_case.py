from enum import Enum

from ..toy.configuration_toy import ToyConfig
from ..toy.modeling_toy import ToyModel


class CaseKind(str, Enum):
    ONE = "one"


class CaseConfig(ToyConfig):
    kind: str = CaseKind.ONE.value


class CaseModel(ToyModel):
    pass


__all__ = ["CaseConfig", "CaseModel"]
