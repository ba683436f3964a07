"""From what was made and tested to rows, kept results and the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from matrix.page import render_page
from matrix.pipeline import _spread, judged, untested
from matrix.results import Results
from matrix.values import Common, Made, Row, State, Subset, Tally
from matrix.workspace import architectures


ROOT = Path(__file__).resolve().parents[2]
MADE = Made("mistral", State.GATED, "", ("modeling_mistral.py:228",), False, "key")
PASSED = Tally(passed=40, skipped=2, layers=32, parameters=131072, seconds=1.5, subset="fast")
FAILED = Tally(passed=3, failures=(("test_a|b", "x < y"), ("test_c", ""), ("test_d", "")), layers=None, subset="full")
ROWS = [
    untested(Made("auto_mamba", State.REFUSED, "no-feed-forward: none (modeling_mamba.py:5)")),
    judged(MADE, PASSED),
    judged(Made("odd", State.GATED, "", (), True, "key"), FAILED),
]


def test_rows_say_what_tests_said() -> None:
    assert [row.state for row in ROWS] == [State.REFUSED, State.GATED, State.FAILING]
    assert ROWS[2].reason == "test_a|b: x < y"


def test_the_page_is_the_same_for_the_same_rows_and_hides_nothing() -> None:
    page = render_page(ROWS)
    assert page == render_page([Row.from_json(row.to_json()) for row in ROWS])
    assert "| mistral | 32 | 131,072 | modeling_mistral.py:228 | 40 | 0 | 2 | fast | not run |  |  |  |\n" in page
    assert "| odd | ? | ? | by hand | 3 | 3 | 0 | full | not run |  |  |  |\n" in page
    assert "| odd | `test_a\\|b`: x &lt; y; `test_c`; and 1 more |\n" in page
    assert "| auto_mamba | no-feed-forward: none (modeling_mamba.py:5) |\n" in page
    assert (
        "| gated, every test of the rendered suite that was run passes | 1 |\n" in page and "has 3 model files" in page
    )


def test_the_page_tells_common_tests_apart() -> None:
    odd = Common(9, 2, (("T::test_a", "1 != 2"),), (("T::test_b", "x"), ("U::test_b", "y")), 3.0)
    page = render_page(ROWS, {"mistral": Common(9, 2), "odd": odd})
    assert "| 40 | 0 | 2 | fast | 9 | 0 | 2 | 0 |\n" in page and "| 3 | 3 | 0 | full | 9 | 1 | 2 | 2 |\n" in page
    assert "| odd | `T::test_a`: 1 != 2 |\n" in page and "| odd | `test_b` |\n" in page
    assert "| the common tests pass, wherever the base passes them | 1 |\n" in page
    assert "| some common tests fail that the base passes | 1 |\n" in page
    none = render_page(ROWS, {}, "no package index")
    assert "not run here: no package index" in none and "| fast | not run |  |  |  |\n" in none
    assert "| the common tests were not run | 2 |\n" in none


def test_common_tests_are_kept_apart_from_the_others(tmp_path: Path) -> None:
    results, tests = Results(tmp_path), Common(9, 2, (("a", "b"),), (), 3.0)
    results.put_common("odd", tests, "key")
    assert results.get_common("odd", "key") == tests and results.get_common("odd", "other") is None
    assert results.get("odd", Subset.FULL, "key") is None
    (tmp_path / "common/odd.json").write_text('{"key": "key", "tests": {"passed": 9}}')
    assert results.get_common("odd", "key") is None


def test_results_are_kept_until_what_they_depend_on_changes(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.put(ROWS[2], Subset.FULL, "key")
    assert results.get("odd", Subset.FULL, "key") == ROWS[2]
    assert results.get("odd", Subset.FULL, "other") is None
    assert results.get("odd", Subset.FAST, "key") == ROWS[2], "what is true of all tests is true of some"
    results.put(ROWS[1], Subset.FAST, "key")
    assert results.get("mistral", Subset.FULL, "key") is None
    for damage in ("", "{}", '{"key": "key", "row": {}}'):
        (tmp_path / "full/odd.json").write_text(damage)
        assert results.get("odd", Subset.FULL, "key") is None


def _work(name: str) -> str:
    if name == "c":
        raise RuntimeError(name)  # ends the worker
    return name.upper()


@pytest.mark.parametrize("processes", [1, 3])
def test_every_name_gets_an_answer_and_a_dead_process_none(processes: int) -> None:
    assert sorted(_spread(_work, list("abcd"), processes)) == [("a", "A"), ("b", "B"), ("c", None), ("d", "D")]


def test_architectures_are_the_models_of_transformers() -> None:
    names = architectures()
    assert names == sorted(names) and {"llama", "mistral", "mamba", "gpt_oss"} <= set(names) and "auto" not in names
