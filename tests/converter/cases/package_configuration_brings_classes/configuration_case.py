# Generated from src/transformers/models/case/modular_case.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 781f15df21110b7919f399fd6bd4e17a5d1fb23bcc52bf4b6a77f50b4f01c71e
from dataclasses import dataclass
from enum import Enum

from transformers.configuration_utils import PreTrainedConfig


class CaseKind(str, Enum):
    ONE = "one"


@dataclass(frozen=True)
class CaseSpec:
    kind: CaseKind = CaseKind.ONE


SPEC = CaseSpec()


class CaseConfig(PreTrainedConfig):
    size: int = 1
    kind: str = SPEC.kind.value


__all__ = ["CaseConfig", "CaseKind"]
