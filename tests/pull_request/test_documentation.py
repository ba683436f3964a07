"""docs/upstream_pr.md knows every code, and every code that it knows is there."""

from __future__ import annotations

import re
from pathlib import Path


ROOT = Path(__file__).parents[2]
_CODE = re.compile(r"""(?:refuse\(|finding\([^"]*?|Diagnostic\()\s*f?"([a-z]+(?:-[a-z]+)*)",""")


def codes() -> set[str]:
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "utils" / "upstream").rglob("*.py"))
    return {code for text in texts for code in _CODE.findall(text)} | {"unused-field", "untested-model", "ruff"}


def test_every_code_is_explained() -> None:
    said = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", (ROOT / "docs" / "upstream_pr.md").read_text(encoding="utf-8")))
    assert codes() - said == set()


def test_the_walk_through_has_ten_lines() -> None:
    text = (ROOT / "docs" / "upstream_pr.md").read_text(encoding="utf-8")
    steps = re.findall(r"^(\d+)\. ", text.split("## ")[0], re.MULTILINE)
    assert steps == [str(number) for number in range(1, 11)]
