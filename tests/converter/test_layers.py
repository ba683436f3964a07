"""The rooms of the converter see only the rooms below them (docs/architecture.md)."""

from __future__ import annotations

import ast
import re
from itertools import chain
from pathlib import Path


ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "utils" / "converter"


def layers() -> list[set[str]]:
    """The rooms of each layer, lowest first, as the architecture's table has them."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| *\d+ *\|([^|]*)\|", text, re.MULTILINE)
    return [set(re.findall(r"`(\w+)/?`", row)) for row in rows]


def rooms() -> dict[str, list[Path]]:
    """The files of each room: a module, or a folder of them."""
    found = {path.stem: [path] for path in PACKAGE.glob("*.py") if path.stem != "__init__"}
    folders = (path.parent for path in PACKAGE.glob("*/__init__.py"))
    return found | {folder.name: sorted(folder.glob("*.py")) for folder in folders}


def imports(path: Path, tree: ast.AST) -> set[str]:
    """The modules that a file's import statements name, absolute."""
    package = path.relative_to(PACKAGE.parent).parent.parts
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            names.add(".".join([*base, *([node.module] if node.module else [])]))
    return names


def seen(room: str) -> set[str]:
    """The other rooms of the converter that a room imports from."""
    names = chain.from_iterable(imports(path, ast.parse(path.read_text())) for path in rooms()[room])
    return {name.split(".")[1] for name in names if name.startswith("converter.")} - {room}


def test_every_room_has_one_layer() -> None:
    listed = list(chain.from_iterable(layers()))
    assert sorted(listed) == sorted(rooms())


def test_rooms_import_only_lower_layers() -> None:
    table = layers()
    for height, names in enumerate(table):
        allowed = set(chain.from_iterable(table[:height]))
        for room in sorted(names):
            assert seen(room) <= allowed, f"{room} looks up or sideways at {sorted(seen(room) - allowed)}"


def test_converting_imports_no_model_code() -> None:
    for room, paths in rooms().items():
        names = chain.from_iterable(imports(path, ast.parse(path.read_text())) for path in paths)
        roots = {name.split(".")[0] for name in names}
        assert not roots & {"transformers", "torch", "generated", "modular"}, room


def test_the_expansion_is_pure() -> None:
    """It imports nothing late, prints nothing, and knows neither a disk nor other processes."""
    for path in chain.from_iterable(rooms().values()):
        tree = ast.parse(path.read_text())
        functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
        assert not set(chain.from_iterable(imports(path, function) for function in functions)), path
        assert not imports(path, tree) & {"os", "pathlib", "shutil", "subprocess", "tempfile"}, path
        calls = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not calls & {"print", "open"}, path
