"""Each row of a table of checks finds the codes that it names: without it, a golden case of each comes out otherwise."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from golden import all_cases, expand, expected_files

from converter import checks, class_checks


TABLES = [
    (checks, "DELTA_CHECKS"),
    (class_checks, "PAIR_CHECKS"),
    (class_checks, "SUPER_CHECKS"),
    (class_checks, "OUTPUT_CHECKS"),
]
ROWS = [(module, name, check) for module, name in TABLES for check in getattr(module, name)]


@cache
def cases_of(code: str) -> tuple[Path, ...]:
    """The golden cases in which a code is told."""
    told = {
        case: "".join(text for name, text in expected_files(case).items() if name.endswith(".txt"))
        for case in all_cases()
    }
    return tuple(case for case, text in told.items() if f": {code}: " in text)


@pytest.mark.parametrize(("module", "name", "check"), ROWS, ids=[f"{each.run.__name__}" for *_, each in ROWS])
def test_without_a_check_its_codes_are_not_told(module, name: str, check, monkeypatch) -> None:
    rest = tuple(each for each in getattr(module, name) if each is not check)
    monkeypatch.setattr(module, name, rest)
    for code in check.codes:
        made = expand(cases_of(code))
        assert any(made[case.name] != expected_files(case) for case in cases_of(code)), code
