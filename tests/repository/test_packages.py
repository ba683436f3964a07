"""The packages of utils/ import from each other what docs/architecture.md says, and nothing else."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
UTILS = ROOT / "utils"
PACKAGES = sorted(path.parent.name for path in UTILS.glob("*/__init__.py"))


def allowed() -> dict[str, set[str]]:
    """Package -> the others that it may import, from the table of the tools."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table: dict[str, set[str]] = {}
    for name, may in re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", text, re.MULTILINE):
        table[name] = set(table) if may.strip() == "all of the above" else set(re.findall(r"`(\w+)`", may))
    return table


def imported(path: Path) -> set[str]:
    """The top packages that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_what_the_table_allows(package: str) -> None:
    table = allowed()
    assert package in table, f"docs/architecture.md has no row for {package}"
    for path in sorted((UTILS / package).rglob("*.py")):
        ours = imported(path) & set(PACKAGES) - {package}
        assert ours <= table[package], f"{path.relative_to(ROOT)} imports {sorted(ours - table[package])}"


@pytest.mark.parametrize("package", ["facts", "rendering"])
def test_what_reads_and_renders_needs_no_model_code(package: str) -> None:
    for path in (UTILS / package).rglob("*.py"):
        assert not imported(path) & {"torch", "transformers", "generated", "modular"}, path


@pytest.mark.parametrize("package", ["selection", "memory"])
def test_the_rooms_that_need_torch_are_those_that_the_page_names(package: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.partition(f"## Rooms of `utils/{package}/`")[2].partition("\n## ")[0]
    said = re.search(r"torch is imported in ([^.;]*?) alone", section)
    assert said
    need = {path.stem for path in (UTILS / package).glob("*.py") if "torch" in imported(path)}
    assert set(re.findall(r"`(\w+)`", said[1])) == need


def test_no_package_is_named_like_a_script() -> None:
    assert not set(PACKAGES) & {path.stem for path in UTILS.glob("*.py")}
