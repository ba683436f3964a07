from ...configuration_utils import PreTrainedConfig
from ..toy.modeling_toy import ToyModel


class CaseConfig(PreTrainedConfig):
    pass


class CaseKeptProcessor:
    pass


class CaseModel(ToyModel):
    processor = CaseKeptProcessor


__all__ = ["CaseConfig", "CaseModel", "CaseKeptProcessor"]
