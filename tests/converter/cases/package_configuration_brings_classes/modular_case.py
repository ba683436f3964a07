from dataclasses import dataclass
from enum import Enum

from transformers.models.toy.configuration_toy import ToyConfig
from transformers.models.toy.modeling_toy import ToyModel


class CaseKind(str, Enum):
    ONE = "one"


@dataclass(frozen=True)
class CaseSpec:
    kind: CaseKind = CaseKind.ONE


class CaseOther(Enum):
    TWO = 2


SPEC = CaseSpec()


class CaseConfig(ToyConfig):
    kind: str = SPEC.kind.value


class CaseModel(ToyModel):
    def is_one(self, kind):
        return kind is CaseKind.ONE and kind is not CaseOther.TWO


__all__ = ["CaseConfig", "CaseKind", "CaseModel"]
