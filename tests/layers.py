"""Layers of packages as the pages state them, and what code imports: the one reader that tests of layers share.

They stand below a heading that names `utils/checkpoints/`, lowest first: in a block ```` ```rooms ````, a line for each layer, or in a table
whose rows begin with the number of a layer. A room is a module or a folder of them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path


ROOT = Path(__file__).resolve().parents[1]
UTILS = ROOT / "utils"
DOCS = ROOT / "docs"
_BLOCK = re.compile(r"^```rooms\n(.*?)^```", re.DOTALL | re.MULTILINE)
_ROW = re.compile(r"^\| *\d+ *\|([^|]*)\|", re.MULTILINE)

Layers = list[set[str]]


def layers_of(package: str, pages: Mapping[str, str] | None = None) -> Layers:
    """The rooms of each layer of a package, lowest first; none where no page has them.

    Args:
        package: below utils/, "scaffold/sites" for a folder of one.
        pages: name -> text; the project's own where there are none.
    """
    for text in (pages if pages is not None else _pages()).values():
        for section in re.split(r"^(?=##)", text, flags=re.MULTILINE):
            if f"`utils/{package}/`" in section.partition("\n")[0]:
                if block := _BLOCK.search(section):
                    return [set(line.split()) for line in block[1].splitlines()]
                return [set(re.findall(r"`(\w+)/?`", row)) for row in _ROW.findall(section)]
    return []


def _pages() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}


def modules_of(package: Path) -> dict[str, Path]:
    """The modules of a package, "checkpoints.plan" -> file; a folder's `__init__` under the folder's name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def rooms_of(package: Path) -> dict[str, list[Path]]:
    """The files of each room of a package: a module, or a folder of them."""
    rooms: dict[str, list[Path]] = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts != ("__init__",):
            rooms.setdefault(parts[0], []).append(path)
    return rooms


def imports(tree: ast.AST, module: str = "", is_package: bool = False) -> set[str]:
    """The modules that code may import, absolute: in functions and for types as well, and by `import_module("...")`.

    `from a import b` counts as `a` and as `a.b`, which may be a module.

    Args:
        tree: a module, or a part of one.
        module: its own name, which relative imports go by.
        is_package: whether it is an `__init__`.
    """
    return {name for node in ast.walk(tree) for name in _imported(node, module, is_package)}


def imports_of(path: Path, everywhere: bool = True) -> set[str]:
    """What a file of utils/ imports; without `everywhere`, what it imports to be imported itself."""
    parts = path.relative_to(UTILS).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    module = ".".join(parts[:-1] if is_package else parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = [tree] if everywhere else [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return set(chain.from_iterable(imports(node, module, is_package) for node in nodes))


def roots(names: set[str]) -> set[str]:
    """The packages at the top of modules' names."""
    return {name.partition(".")[0] for name in names}


def written_here(names: set[str]) -> set[str]:
    """Those of imported names that are modules of utils/."""
    return {name for name in names if (UTILS / f"{name.replace('.', '/')}.py").is_file()}


def _imported(node: ast.AST, module: str, is_package: bool) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = module.split(".") if node.level else []
        base = base[: len(base) - node.level + is_package] if node.level else base
        name = ".".join([*base, *([node.module] if node.module else [])])
        yield name
        yield from (f"{name}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("import_module", "__import__"):
        if node.args and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)


def room_in(name: str, package: str) -> str:
    """The room of a package that a module's name is of, "merge" of "converter.merge.headers"; "" of any other."""
    inside = name.removeprefix(f"{package.replace('/', '.')}.")
    return inside.partition(".")[0] if inside != name else ""


def climbs(package: str, layers: Layers, utils: Path = UTILS) -> list[str]:
    """Where a package does not keep to its layers: rooms in none or in two, and imports that look up or sideways."""
    rooms = rooms_of(utils / package)
    height = {room: number for number, names in enumerate(layers) for room in names}
    listed = list(chain.from_iterable(layers))
    found = [f"`{room}` is in no layer" for room in sorted(rooms.keys() - height.keys())]
    found += [f"there is no `{room}`" for room in sorted(height.keys() - rooms.keys())]
    found += [f"`{room}` is in two layers" for room in sorted(set(listed)) if listed.count(room) > 1]
    for room, paths in rooms.items():
        names = chain.from_iterable(_imports_below(path, utils) for path in paths)
        for other in sorted({room_in(name, package) for name in names} & rooms.keys() - {room}):
            if height.get(other, -1) >= height.get(room, len(layers)):
                found.append(f"`{room}` looks up or sideways at `{other}`")
    return found


def circle(package: str, utils: Path = UTILS) -> list[str]:
    """Modules of a package that import each other in a circle, the first again at the end; none where there is none."""
    modules = modules_of(utils / package)
    graph = {name: (_imports_below(path, utils) & modules.keys()) - {name} for name, path in modules.items()}
    # a package's `__init__` is imported by whoever imports what is below it: that alone is no circle
    graph = {name: {other for other in seen if not name.startswith(f"{other}.")} for name, seen in graph.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _imports_below(path: Path, utils: Path) -> set[str]:
    parts = path.relative_to(utils).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return imports(tree, ".".join(parts[:-1] if is_package else parts), is_package)
