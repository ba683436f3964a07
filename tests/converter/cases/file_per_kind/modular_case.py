# The licence of the case.
"""The docstring of the delta stays in the delta."""

from torch import nn

from ...configuration_utils import PreTrainedConfig
from ...processing_utils import ProcessorMixin


class CaseConfig(PreTrainedConfig):
    model_type = "case"


class CaseProcessor(ProcessorMixin):
    pass


class CaseModel(nn.Module):
    config: CaseConfig


def helper_of_nobody():
    pass


__all__ = ["CaseModel", "CaseConfig", "CaseProcessor"]
