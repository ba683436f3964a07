# The licence.
from ...configuration_utils import PreTrainedConfig
from ..toy.modeling_toy import ToyModel, ToyPreTrainedModel


class CaseConfig(PreTrainedConfig):
    pass


class CasePreTrainedModel(ToyPreTrainedModel):
    pass


class CaseModel(ToyModel):
    pass


class CaseTextConfig(PreTrainedConfig):
    pass
# comments above `__all__` and its blank lines go along with it

__all__ = [
    "CaseTextConfig",
    "CaseModel",
    "CaseConfig",
    "CasePreTrainedModel",
]
