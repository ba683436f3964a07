"""How many lines of tests there are for each line of the tools: `python tests/amounts.py`.

Lines that are not blank count. Tests of a package are the files of tests/<package>/; golden cases, which are input and
output rather than tests, count apart, and rendered suites of models not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
    return Amount(_lines((ROOT / "utils" / package).rglob("*.py")), _lines(set(files) - set(golden)), _lines(golden))


def overall() -> Amount:
    """What there is of all tools and all tests written by hand."""
    tests = ROOT / "tests"
    files = [path for path in tests.rglob("*.py") if tests / "models" not in path.parents]
    golden = [path for path in files if GOLDEN & set(path.relative_to(tests).parts)]
    return Amount(_lines((ROOT / "utils").rglob("*.py")), _lines(set(files) - set(golden)), _lines(golden))


def _lines(paths: Iterable[Path]) -> int:
    return sum(bool(line.strip()) for path in paths for line in path.read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    for name in packages():
        each = amount(name)
        print(f"{name:14} {each.code:6} {each.tests:6} {each.ratio:5.2f}   golden {each.golden}")
    print(f"{'all':14} {overall().code:6} {overall().tests:6} {overall().ratio:5.2f}   golden {overall().golden}")
