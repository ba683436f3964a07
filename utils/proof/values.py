"""The frozen nouns: what was tried of a converted model, what was found, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any


BASE = "the base"  # where a finding is that is none of the converted model
CONVERSION, IMPORT, PROCESS = "conversion", "import", "the process"  # checks besides calls of a model


class FindingKind(Enum):
    """What a finding is, worst last."""

    WARNS = "warns"  # it warns where its base does not
    DIFFERS = "differs"  # it gives something else than its base
    RAISES = "raises"  # it fails where its base does not


class Verdict(Enum):
    """What a model is in a release, worst last."""

    RIGHT = "right"
    WARNS = "warns"
    DIFFERS = "differs"
    REFUSED = "refused"  # by the converter, by Python, or by a call that the base answers


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which a converted model is not as its base."""

    check: str  # "padded generate"
    kind: FindingKind
    where: str  # "QualityGateLlamaModel.forward (modeling_quality_gate_llama.py:412)"
    what: str  # "ValueError: ..."
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Lack:
    """A parameter of the base's method that the converted one does not have."""

    method: str  # "QualityGateLlamaModel.forward"
    parameter: str
    renamed: bool = False  # it is an old name, which the base accepts through `deprecate_kwarg`


@dataclass(frozen=True, slots=True)
class Trial:
    """What was seen of one model."""

    checks: Mapping[str, str] = field(default_factory=dict)  # check -> "right", a kind, or why it was left out
    findings: tuple[Finding, ...] = ()
    lacks: tuple[Lack, ...] = ()
    seconds: float = 0.0
    broken: bool = False  # it did not come to an end, which another run may

    def to_json(self) -> dict[str, Any]:
        findings = [{**asdict(one), "kind": one.kind.value} for one in self.findings]
        return {**asdict(self), "findings": findings}

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> Trial:
        """Raises KeyError, TypeError or ValueError where something is missing or unknown."""
        findings = tuple(Finding(**{**one, "kind": FindingKind(one["kind"])}) for one in read["findings"])
        return cls(**{**read, "findings": findings, "lacks": tuple(Lack(**one) for one in read["lacks"])})


@dataclass(frozen=True, slots=True)
class Proof:
    """The verdict on one model."""

    model: str  # "quality_gate_llama"
    verdict: Verdict
    findings: tuple[Finding, ...] = ()  # worst first, each with its remedy
    checks: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    kept: bool = False  # an earlier run found it

    def to_json(self) -> dict[str, Any]:
        findings = [{**asdict(one), "kind": one.kind.value} for one in self.findings]
        return {**asdict(self), "verdict": self.verdict.value, "findings": findings}
