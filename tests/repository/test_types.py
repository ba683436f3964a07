"""What mypy is told to pass over is little, and every line of it has a reason."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any


ROOT = Path(__file__).parents[2]
UTILS = ROOT / "utils"


def settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]


def not_clean_yet() -> list[str]:
    """Packages as folders, and single modules as files."""
    tables = [table["module"] for table in settings()["overrides"] if table.get("ignore_errors")]
    modules = [module for table in tables for module in table]
    places = [each.removesuffix(".*").replace(".", "/") for each in modules]
    return [place if each.endswith(".*") else f"{place}.py" for place, each in zip(places, modules, strict=True)]


def test_what_is_passed_over_is_there() -> None:
    assert [each for each in not_clean_yet() if not (UTILS / each).exists()] == []
    assert len(set(not_clean_yet())) == len(not_clean_yet())


def test_an_ignored_line_names_its_code_and_its_reason() -> None:
    ignored = re.compile(r"#\s*type:\s*ignore(?P<code>\[[\w, -]+\])?(?P<reason>\s+#\s*\w.*)?")
    for path in sorted(UTILS.rglob("*.py")):
        if {path.relative_to(UTILS).parts[0], path.relative_to(UTILS).as_posix()} & set(not_clean_yet()):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for found in ignored.finditer(line):
                assert found["code"] and found["reason"], f"{path.relative_to(ROOT)}:{number}"


def test_make_lint_checks_types() -> None:
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert lint and "types" in lint[1] and settings()["strict"] is True
