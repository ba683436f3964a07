"""transformers' real testers, which no distribution brings: taken from a folder of somebody's, read and never changed."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from syntax.trees import statements_of

from common_tests.problems import SuiteError


TESTERS = "causal_lm_tester.py"  # without it a folder lends nothing
_WANTED = (".py", ".json")


def copy_missing(testers: Path, tests: Path) -> list[str]:
    """Copy what is missing below `tests` from the same place below the testers' `tests/`; return their paths, sorted.

    Raises SuiteError where that folder has no testers.
    """
    source = testers / "tests"
    if not (source / TESTERS).is_file():
        fix = "name the folder that holds tests/ as transformers' repository has it, or leave the testers out"
        raise SuiteError(f"{source / TESTERS} is not there", fix)
    added = []
    for path in _files(source):
        target = tests / path.relative_to(source)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            added.append(path.relative_to(source).as_posix())
    return sorted(added)


def check_fit(tests: Path, lent: Iterable[str], package: Path) -> None:
    """Raise SuiteError where testers ask the transformers in `package` for names that it lacks: they are of another release."""
    for path in lent:
        for module, name in _asked((tests / path).read_text(encoding="utf-8")) if path.endswith(".py") else ():
            there = package.joinpath(*module.split(".")[1:]).with_suffix(".py")
            if there.is_file() and not re.search(rf"\b{name}\b", there.read_text(encoding="utf-8")):
                message = f"the testers do not fit this transformers: {path} imports {name}, which {module} lacks"
                raise SuiteError(message, "name the tree that they belong to with --tree, or testers of this release")


def copy_tests(tree: Path, root: Path, packages: Iterable[str]) -> list[str]:
    """The tests that a tree has for all models, and those of some, below `root/tests`; the shared ones are returned, sorted."""
    source, copied = tree / "tests", []
    for path in _files(source):
        inner = path.relative_to(source)
        if inner.parts[0] != "models":
            (root / "tests" / inner).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, root / "tests" / inner)
            copied.append(inner.as_posix())
    for package in packages:
        shutil.copytree(source / "models" / package, root / "tests" / "models" / package, dirs_exist_ok=True)
    return sorted(copied)


def copy_beside(testers: Path, root: Path) -> None:
    """What testers read of a repository beside its tests: `utils/` and the settings of pytest."""
    for name in ("utils", "conftest.py"):
        source, target = testers / name, root / name
        if source.is_dir() and not target.exists():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file() and not target.exists():
            shutil.copyfile(source, target)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.suffix in _WANTED and not path.is_symlink())


def _asked(text: str) -> Iterator[tuple[str, str]]:
    """The names that a text imports from modules of transformers, at its margin."""
    with suppress(SyntaxError):  # of a later Python: pytest says so, of that file alone
        for node in statements_of(text):
            if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").startswith("transformers."):
                yield from ((node.module or "", each.name) for each in node.names if each.name != "*")
