"""Tests that a base cannot pass itself are marked, with the reason, in its suite and in no other."""

from __future__ import annotations

import pytest
from facts.project import GENERATED
from testgen.unlike import NO_FLEX, NO_STATIC_CACHE, UNLIKE, skip_what_the_base_lacks


SUITES = GENERATED.parent / "tests" / "models"
SUITE = """\
class TestGate:
    @pytest.mark.fast
    def test_forward(self) -> None:
        pass

    def test_forward_twice(self) -> None:
        pass
"""


@pytest.mark.parametrize("base", UNLIKE)
def test_every_entry_is_a_test_of_the_suite_that_is_skipped(base: str) -> None:
    suite = (SUITES / f"quality_gate_{base}" / f"test_modeling_quality_gate_{base}.py").read_text(encoding="utf-8")
    for name, reason in UNLIKE[base].items():
        before, _, _ = suite.partition(f" {name}(" if name.startswith("test_") else f"class {name}:")
        mark = before.rpartition("@pytest.mark.skip(")[2].rstrip(" def")
        assert f'reason="{reason}"' in mark and "def " not in mark, name


@pytest.mark.parametrize("table", [NO_FLEX, NO_STATIC_CACHE])
def test_values_of_a_test_are_skipped_for_their_reason(table: dict[str, str]) -> None:
    for base, reason in table.items():
        suite = (SUITES / f"quality_gate_{base}" / f"test_modeling_quality_gate_{base}.py").read_text(encoding="utf-8")
        assert f'marks=pytest.mark.skip(reason="{reason}")' in suite


def test_a_mark_stands_before_the_test_of_that_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(UNLIKE, "toy", {"test_forward": "Toy goes backward"})
    marked = skip_what_the_base_lacks(SUITE, "toy")
    assert marked.count('    @pytest.mark.skip(reason="Toy goes backward")\n    def test_forward(self)') == 1
    assert marked.count("skip") == 1
    assert skip_what_the_base_lacks(SUITE, "another") == SUITE


def test_an_entry_without_a_test_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(UNLIKE, "toy", {"test_gone": "Toy goes backward"})
    with pytest.raises(LookupError, match="no test_gone"):
        skip_what_the_base_lacks(SUITE, "toy")
