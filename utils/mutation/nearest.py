"""Which tests are about a module: those that import it, or what imports it, nearest first."""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Mapping
from pathlib import Path


_MODULE = re.compile(r"[a-z_][\w]*(\.[a-z_]\w*)*")


class Nearness:
    """The graph of imports of a project's tools and tests, read once."""

    def __init__(self, project: Path) -> None:
        utils, tests = project / "utils", project / "tests"
        paths = {_name(path, utils): path for path in sorted(utils.rglob("*.py"))}
        suites = tests / "models"  # of models, which are rendered
        files = [path for path in sorted(tests.rglob("*.py")) if suites not in path.parents]
        helpers = {path.stem: path for path in files if not path.name.startswith("test_")}
        self._tests = {path.relative_to(project).as_posix(): path for path in files if path.name.startswith("test_")}
        self._users: dict[str, set[str]] = {}
        for name, path in {**helpers, **paths, **self._tests}.items():
            for used in _used(path, paths, helpers):
                self._users.setdefault(used, set()).add(name)

    def tests_of(self, file: str) -> list[str]:
        """The files of tests that reach a module, "tests/facts/test_tiny.py": of its own package first, then by distance.

        Args:
            file: the module, "facts/tiny.py".
        """
        module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        distance, waiting = {module: 0}, deque([module])
        while waiting:
            for user in self._users.get(near := waiting.popleft(), ()):
                if user not in distance:
                    distance[user] = distance[near] + 1
                    waiting.append(user)
        folder = f"tests/{file.partition('/')[0]}/"
        found = [name for name in distance if name in self._tests]
        # what is copied, and never imported here
        found = found or [name for name in self._tests if name.startswith(folder)]
        return sorted(
            found, key=lambda name: (not name.startswith(folder), distance.get(name, 0), self._size(name), name)
        )

    def _size(self, name: str) -> int:
        return self._tests[name].stat().st_size


def _name(path: Path, utils: Path) -> str:
    parts = path.relative_to(utils).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _used(path: Path, modules: Mapping[str, Path], helpers: Mapping[str, Path]) -> set[str]:
    """The modules and helpers that a file imports, or whose name stands in a text: of a script, or to put something in its place."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 100:
            named = node.value.removesuffix(".py").rpartition("/")[2]
            if _MODULE.fullmatch(named):
                parts = named.split(".")
                found |= {".".join(parts[:length]) for length in range(2, len(parts) + 1)}
                found |= {named} if node.value.endswith(".py") else set()
    return (found & (modules.keys() | helpers.keys())) - {path.stem}
