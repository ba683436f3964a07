"""Every golden case comes out as it was committed, byte for byte, in any process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from golden import all_cases, expand, expected_files, fingerprint


ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def made() -> dict[str, dict[str, str]]:
    """What comes out of all cases, by case and file name."""
    return expand(all_cases())


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_case(case: Path, made: dict[str, dict[str, str]]) -> None:
    expected = expected_files(case)
    assert expected, "write what is expected with tests/converter/golden.py, and read it"
    assert made[case.name] == expected
    for name, text in expected.items():
        if name.endswith(".py"):
            compile(text, name, "exec")


def test_each_rule_names_its_case_and_each_case_its_rule() -> None:
    page = (ROOT / "docs" / "modular_semantics.md").read_text(encoding="utf-8")
    cited = "".join(re.findall(r"(?:`\w+`(?:,\s+)?)+(?= ·)", page))
    rules = {case.name for case in all_cases() if not case.name.startswith("refused_")}
    assert set(re.findall(r"\w+", cited)) == rules


def test_each_refusal_of_the_core_has_a_case_and_is_listed() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    notes = [text for case in all_cases() for name, text in expected_files(case).items() if name.endswith(".txt")]
    shown = set(re.findall(r"^\S+:\d+:\d+: ([\w-]+): ", "".join(notes), re.MULTILINE))
    sections = re.findall(r"^## (?:What the modular file says|Where the merge)[^#]*", page, re.MULTILINE)
    listed = set(re.findall(r"^\| `([\w-]+)`", "".join(sections), re.MULTILINE))
    assert len(sections) == 2
    assert shown - {"undefined-name"} == listed


def test_same_bytes_twice_and_under_any_hash_seed() -> None:
    command = [sys.executable, "-c", "from golden import fingerprint; print(fingerprint())"]
    paths = os.pathsep.join((str(Path(__file__).parent), str(ROOT / "utils")))
    for seed in ("1", "2"):
        env = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": paths}
        other = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip()
        assert other == fingerprint()
