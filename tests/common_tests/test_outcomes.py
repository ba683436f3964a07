"""What is told of a run, and when it counts as one that went well."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from common_tests import cli
from common_tests.expected import differences, read_expected, write_expected, written_outcomes
from common_tests.outcomes import FAILED, INHERITED, NOT_FOR_IT, PASSED, SKIPPED, Outcome, group, read_outcomes
from common_tests.report import markdown, read_table, succeeded, summary, write_table
from facts.project import generated_models


GOOD = Outcome("quality_gate_llama", "T::test_good", PASSED, "", 1.0)
SKIP = Outcome("quality_gate_llama", "T::test_skip", SKIPPED, "test requires MPS", 0.0)
BAD = Outcome("quality_gate_llama", "T::test_bad", FAILED, "AssertionError: 1 is not 2", 2.0)


def test_outcomes_are_read(tmp_path: Path) -> None:
    tests = {
        "tests/models/quality_gate_llama/test_x.py::T::test_b": {
            "outcome": "skipped",
            "reason": "why\nmore",
            "seconds": 0,
        },
        "tests/models/quality_gate_llama/test_x.py::T::test_a": {"outcome": "", "reason": "x" * 999, "seconds": 1.5},
    }
    (tmp_path / "outcomes.json").write_text(json.dumps(tests))
    first, second = read_outcomes(tmp_path / "outcomes.json")
    assert (second.package, second.test, second.outcome, second.reason) == (GOOD.package, "T::test_b", SKIPPED, "why")
    assert first.outcome == FAILED and len(first.reason) == 160  # one that never came to an end


def test_what_is_expected_comes_back(tmp_path: Path) -> None:
    write_expected(tmp_path, GOOD.package, "5.23.0", [SKIP, GOOD])
    assert read_expected(tmp_path, GOOD.package, "5.23.0") == {GOOD.test: PASSED, SKIP.test: SKIPPED}
    assert read_expected(tmp_path, GOOD.package, "5.24.0") is None
    assert read_expected(tmp_path, "quality_gate_other", "5.23.0") is None
    assert "T::test_skip skipped: test requires MPS\n" in (tmp_path / f"{GOOD.package}.txt").read_text()


def test_differences_from_what_is_expected() -> None:
    expected = {GOOD.test: PASSED, SKIP.test: SKIPPED}
    assert differences(expected, [GOOD, SKIP]) == []
    assert differences(expected, [GOOD, replace(SKIP, outcome=PASSED)]) == []  # on another machine
    cases = {
        "T::test_skip: expected to be skipped, was not collected": [GOOD],
        "T::test_bad: failed, but not expected at all": [GOOD, SKIP, BAD],
        "T::test_good: expected to be passed, was skipped: oh": [replace(GOOD, outcome=SKIPPED, reason="oh"), SKIP],
        "T::test_good: expected to be passed, was inherited: oh": [
            replace(GOOD, outcome=INHERITED, reason="oh"),
            SKIP,
        ],
        "T::test_skip: was skipped without a reason": [GOOD, replace(SKIP, reason="")],
    }
    for text, outcomes in cases.items():
        assert differences(expected, outcomes) == [text]


def test_when_a_run_went_well() -> None:
    assert succeeded([GOOD, SKIP, replace(BAD, outcome=INHERITED)], {GOOD.package: []})
    assert not succeeded([GOOD, BAD], {})
    assert not succeeded([GOOD], {GOOD.package: ["something"]})
    assert not succeeded([SKIP], {})
    told = summary([GOOD, SKIP, BAD], {GOOD.package: ["something"]})
    assert told.splitlines() == [
        "quality_gate_llama: 1 passed, 1 skipped, 1 failed in 3 s",
        "  failed: T::test_bad",
        "    AssertionError: 1 is not 2",
        "  not as expected: something",
    ]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("test is slow", "needs a public checkpoint"),
        ("test requires accelerator", "needs a GPU"),
        ("test requires Flash Attention 3", "needs a package that is not installed"),
        ("Need at least 4 FSDP workers, have 2", "runs in several processes: DISTRIBUTED=1"),
        (
            "Could not find any model architecture in the tiny models JSON file",
            "needs the tiny models of transformers' Hub",
        ),
        ("X::test_pipeline_fill_mask is skipped: `fill-mask` is not in `self.pipeline_model_mapping`", NOT_FOR_IT),
        ("Model is not an encoder-decoder", NOT_FOR_IT),
    ],
)
def test_reasons_come_in_groups(reason: str, expected: str) -> None:
    assert group(reason) == expected


def test_the_documents_table_is_that_of_what_is_expected(tmp_path: Path) -> None:
    outcomes = [one for path in cli.EXPECTED.glob("*.txt") for one in written_outcomes(path)]
    assert len({one.package for one in outcomes}) >= 4 and not [one for one in outcomes if one.outcome == FAILED]
    assert read_table(cli.DOCUMENT) == markdown(outcomes)
    copy = tmp_path / "copy.md"
    copy.write_text("before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n", encoding="utf-8")
    write_table(copy, "new\n")
    assert copy.read_text() == "before\n<!-- results -->\nnew\n<!-- end of results -->\nafter\n"


def test_the_hand_written_families_are_among_the_models_that_are_run() -> None:
    models = {path.stem.removeprefix("quality_gate_") for path in cli.EXPECTED.glob("*.txt")}
    assert {"llama", "qwen3", "gemma3", "gpt_oss"} <= models <= set(generated_models())


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--model", "lama"]) == 2
    told = capsys.readouterr().err
    assert "has no gated model of lama" in told and "fix: convert it first, or did you mean llama?" in told
    with pytest.raises(SystemExit, match="2"):
        cli.main(["--update", "--", "-k", "config"])
