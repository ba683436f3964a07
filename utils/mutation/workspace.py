"""Copies of a project, to break: nothing is ever written into the project itself."""

from __future__ import annotations

import shutil
from pathlib import Path


# Nothing that tests of tools read, or whatever they read is made by the tools
LEFT_OUT = {
    ".git",
    ".venv",
    "__pycache__",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    "build",
    "dist",
    "node_modules",
}


def copied(project: Path, target: Path) -> Path:
    """A copy of a project's files, without environments, caches, and links to elsewhere; where it is.

    Raises:
        OSError: something cannot be read or written.
    """

    def left_out(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if name in LEFT_OUT or (Path(folder) / name).is_symlink()}

    return Path(shutil.copytree(project, target, ignore=left_out))


def utils_of(project: Path) -> dict[str, str]:
    """The modules of the packages of a project's utils/, path below it -> text; not the tests that a package brings."""
    utils = project / "utils"
    found = (path for package in utils.glob("*/__init__.py") for path in package.parent.rglob("*.py"))
    paths = sorted(path for path in found if not path.name.startswith("test_"))
    return {path.relative_to(utils).as_posix(): path.read_text(encoding="utf-8") for path in paths}
