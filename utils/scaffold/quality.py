"""What deltas say of the quality gate: the only place of the scaffolder that names it."""

from __future__ import annotations

from scaffold.short import GateNames


QUALITY = GateNames(
    kind="quality",
    attribute="quality_gate",
    prefix="QualityGate",
    phrase="a quality gate on the input of every feed-forward network",
)
