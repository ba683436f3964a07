"""The rooms of the proof see only those below them; the core knows no processes, and what asks for proofs no torch."""

from __future__ import annotations

import ast
from pathlib import Path


PACKAGE = Path(__file__).resolve().parents[2] / "utils" / "proof"
# Lowest first. The core: values, what is made of them. Then two edges that meet in files alone: the process that runs
# models, and the one that asks for them.
LAYERS = (
    {"values", "pair"},
    {"judge", "methods", "watch", "requirements"},
    {"report", "calls", "locate"},
    {"images"},
    {"building"},
    {"trial"},
    {"worker", "running"},
    {"command"},
)
CORE = {"values", "judge", "report"}
RUNS_MODELS = {"calls", "images", "building", "locate", "trial"}


def imports(room: str) -> set[str]:
    tree = ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8"))
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_every_room_has_one_layer() -> None:
    assert sorted(room for layer in LAYERS for room in layer) == sorted(
        path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"
    )


def test_rooms_import_only_lower_layers() -> None:
    for height, rooms in enumerate(LAYERS):
        lower = {room for layer in LAYERS[:height] for room in layer}
        for room in sorted(rooms):
            ours = {name.partition(".")[2] for name in imports(room) if name.startswith("proof.")}
            assert ours <= lower, f"{room} looks up or sideways at {sorted(ours - lower)}"


def test_only_what_runs_models_imports_torch() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py") if "torch" in imports(path.stem)} <= RUNS_MODELS
    for room in ("command", "running"):
        ours = {name.partition(".")[2] for name in imports(room) if name.startswith("proof.")}
        assert not ours & (RUNS_MODELS | {"worker"}), room


def test_the_core_touches_nothing_outside() -> None:
    outside = {"os", "subprocess", "pathlib", "sys", "tempfile", "torch"}
    for room in sorted(CORE):
        assert not imports(room) & outside, room
