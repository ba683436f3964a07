"""The rooms of the viewer see only those below them, and only what runs models knows torch."""

from __future__ import annotations

import ast
from pathlib import Path


PACKAGE = Path(__file__).resolve().parents[2] / "utils" / "viewing"
LAYERS = (
    {"values", "colours", "corpus"},
    {"pieces"},
    {"page", "notebook", "terminal", "plot"},
    {"corpus_page", "scored", "texts"},
    {"scores", "attention"},
    {"kinds"},
    {"cli"},
)


def imports(room: str) -> set[str]:
    """What a room imports anywhere in it, inside functions and by `import_module` too."""
    tree = ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8"))
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "import_module"
    ]
    return found | {ast.literal_eval(call.args[0]) for call in calls}


def test_every_room_has_one_layer() -> None:
    rooms = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")
    assert sorted(room for layer in LAYERS for room in layer) == rooms


def test_rooms_import_only_lower_layers() -> None:
    for height, rooms in enumerate(LAYERS):
        lower = {room for layer in LAYERS[:height] for room in layer}
        for room in sorted(rooms):
            ours = {name.partition(".")[2] for name in imports(room) if name.startswith("viewing.")}
            assert ours <= lower, f"{room} looks up or sideways at {sorted(ours - lower)}"


def test_only_what_runs_models_knows_torch() -> None:
    knowing = {path.stem for path in PACKAGE.glob("*.py") if imports(path.stem) & {"torch", "transformers"}}
    assert knowing <= {"texts", "scores", "attention", "kinds", "cli"}
