"""The rooms that find places read code, and change none."""

from __future__ import annotations

import ast
from pathlib import Path


SITES = Path(__file__).resolve().parents[2] / "utils" / "scaffold" / "sites"


def test_finding_reads_code_as_a_tree_and_changes_none() -> None:
    for path in SITES.glob("*.py"):
        names = {alias.name for node in ast.walk(ast.parse(path.read_text())) for alias in getattr(node, "names", ())}
        assert not names & {"libcst", "NodeTransformer", "textwrap"}, path
