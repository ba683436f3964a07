"""What became of each test."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


PASSED, SKIPPED, FAILED, INHERITED = "passed", "skipped", "failed", "inherited"


_LONGEST = 160  # characters of a reason


@dataclass(frozen=True)
class Outcome:
    """One test of one model."""

    package: str  # "quality_gate_llama"
    test: str  # "QualityGateLlamaModelTest::test_config"
    outcome: str  # passed, skipped, failed, or inherited: the base fails as well
    reason: str  # why it was skipped, or how it failed; "" where it passed
    seconds: float


def read_outcomes(path: Path) -> list[Outcome]:
    """What the tests' conftest.py wrote, sorted."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return sorted((_outcome(node, **test) for node, test in found.items()), key=lambda one: (one.package, one.test))


def _outcome(node: str, outcome: str, reason: str, seconds: float) -> Outcome:
    path, _, test = node.partition("::")
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    said = lines[0] if lines else ""
    said = said if len(said) <= _LONGEST else f"{said[: _LONGEST - 4]} ..."
    return Outcome(Path(path).parent.name, test, outcome or FAILED, said, seconds)


# What a reason for skipping says -> what it comes to. The first that matches counts.
_GROUPS: Mapping[str, str] = {
    r"test is slow": "needs a public checkpoint",
    r"accelerator|MPS|GPU|HPU|XPU|cuda": "needs a GPU",
    r"[Ff]lash|kernels|deepspeed|Timm|PyTesseract|requires av|bitsandbytes|[Dd]eepGEMM|sonic|torchao": (
        "needs a package that is not installed"
    ),
    r"distributed tests are not enabled|FSDP workers": "runs in several processes: DISTRIBUTED=1",
    r"tiny models JSON": "needs the tiny models of transformers' Hub",
}
NOT_FOR_IT = "not for this architecture"


def group(reason: str) -> str:
    """What a reason for skipping comes to, in a few words."""
    return next((name for pattern, name in _GROUPS.items() if re.search(pattern, reason)), NOT_FOR_IT)


def counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many tests passed, failed, ...: all four are there, in this order."""
    found = [one.outcome for one in outcomes]
    return {name: found.count(name) for name in (PASSED, SKIPPED, FAILED, INHERITED)}
