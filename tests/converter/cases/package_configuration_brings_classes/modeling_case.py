# Generated from src/transformers/models/case/modular_case.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 4b4ce4681e9ad98cf7873af3807d731151246de407631d29f93dc13c8ce9cee6
from enum import Enum

from torch import nn

from .configuration_case import CaseConfig, CaseKind


class CaseOther(Enum):
    TWO = 2


class CaseModel(nn.Module):
    def __init__(self, config: CaseConfig):
        super().__init__()
        self.size = config.size

    def is_one(self, kind):
        return kind is CaseKind.ONE and kind is not CaseOther.TWO


__all__ = ["CaseModel"]
