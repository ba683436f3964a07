"""The core of the proof knows no processes, and what asks for proofs no torch."""

from __future__ import annotations

from pathlib import Path

from layers import imports_of, room_in


PACKAGE = Path(__file__).resolve().parents[2] / "utils" / "proof"
# The core: values, what is made of them. Then two edges that meet in files alone: the process that runs models, and the one
# that asks for them.
CORE = {"values", "judge", "report"}
RUNS_MODELS = {"calls", "images", "building", "locate", "trial"}


def seen(room: str) -> set[str]:
    return imports_of(PACKAGE / f"{room}.py")


def test_only_what_runs_models_imports_torch() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py") if "torch" in seen(path.stem)} <= RUNS_MODELS
    for room in ("command", "running"):
        ours = {room_in(name, "proof") for name in seen(room)}
        assert not ours & (RUNS_MODELS | {"worker"}), room


def test_the_core_touches_nothing_outside() -> None:
    outside = {"os", "subprocess", "pathlib", "sys", "tempfile", "torch"}
    for room in sorted(CORE):
        assert not seen(room) & outside, room
