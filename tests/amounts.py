"""How many lines of tests there are for each line of the tools: `python tests/amounts.py`.

Lines that are not blank count, but for docstrings. Tests of a package are the files of tests/<package>/; golden cases, which are input and
output rather than tests, count apart, and rendered suites of models not at all.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path


ROOT = Path(__file__).resolve().parents[1]
GOLDEN = {"cases", "toy"}  # folders of what goes into a tool, and of what has to come out


@dataclass(frozen=True)
class Amount:
    """Lines of a package, of its tests, and of its golden cases."""

    code: int
    tests: int
    golden: int

    @property
    def ratio(self) -> float:
        return self.tests / self.code


def packages() -> list[str]:
    """The packages of utils/, by name."""
    return sorted(path.parent.name for path in (ROOT / "utils").glob("*/__init__.py"))


def amount(package: str) -> Amount:
    """What there is of one package."""
    files = list((ROOT / "tests" / package).rglob("*.py"))
    golden = [path for path in files if GOLDEN & set(path.relative_to(ROOT / "tests" / package).parts)]
    return Amount(
        _lines((ROOT / "utils" / package).rglob("*.py")),
        _lines(set(files) - set(golden)),
        sum(_filled(path.read_text(encoding="utf-8")) for path in golden),
    )


def overall() -> Amount:
    """What there is of all tools and all tests written by hand."""
    tests = ROOT / "tests"
    files = [path for path in tests.rglob("*.py") if tests / "models" not in path.parents]
    golden = [path for path in files if GOLDEN & set(path.relative_to(tests).parts)]
    return Amount(
        _lines((ROOT / "utils").rglob("*.py")),
        _lines(set(files) - set(golden)),
        sum(_filled(path.read_text(encoding="utf-8")) for path in golden),
    )


def _lines(paths: Iterable[Path]) -> int:
    return sum(map(_lines_of, paths))


@cache
def _lines_of(path: Path) -> int:
    text = path.read_text(encoding="utf-8")
    said = (ast.get_docstring(node) or "" for node in ast.walk(ast.parse(text)) if _has_docstring(node))
    return _filled(text) - sum(map(_filled, said))


def _filled(text: str) -> int:
    return sum(bool(line.strip()) for line in text.splitlines())


def _has_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None


if __name__ == "__main__":
    for name in packages():
        each = amount(name)
        print(f"{name:14} {each.code:6} {each.tests:6} {each.ratio:5.2f}   golden {each.golden}")
    print(f"{'all':14} {overall().code:6} {overall().tests:6} {overall().ratio:5.2f}   golden {overall().golden}")
