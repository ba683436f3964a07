"""Every package has tests in proportion to its code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from amounts import ROOT, amount, overall, packages


LEAST = 0.5  # lines of tests for each line of code, in every package
OVERALL = 1.0  # and in all


@pytest.mark.parametrize("package", packages())
def test_a_package_has_half_as_many_lines_of_tests_as_of_code(package: str) -> None:
    found = amount(package)
    assert found.ratio >= LEAST, f"{found.tests} lines of tests for {found.code}: see what `make mutants-tools` finds"


def test_all_tests_together_do_not_fall_behind() -> None:
    assert overall().ratio >= OVERALL


def test_golden_cases_and_rendered_suites_count_apart() -> None:
    assert amount("converter").golden > 1000 and overall().golden >= amount("converter").golden
    rendered = sum(path.read_text(encoding="utf-8").count("\n") for path in (ROOT / "tests" / "models").rglob("*.py"))
    assert overall().tests < rendered


def test_amounts_are_told() -> None:
    done = subprocess.run([sys.executable, Path("tests") / "amounts.py"], cwd=ROOT, capture_output=True, text=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [*packages(), "all"]
