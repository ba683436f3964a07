from ..toy.modeling_toy import ToyModel
from .configuration_case import CaseConfig


class CaseModel(ToyModel):
    config: CaseConfig


__all__ = ["CaseModel"]
