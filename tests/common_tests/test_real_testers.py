"""Stand-ins and transformers' real testers come to the same verdicts: those of the real ones are written down.

They are of a tree of transformers 5.16.1, which the real testers that we have belong to (docs/upstream_tests.md says how to run them).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from common_tests.cli import EXPECTED
from common_tests.expected import written_outcomes
from common_tests.outcomes import FAILED, INHERITED, PASSED, Outcome


REAL = Path(__file__).with_name("real")
MODELS = ("gemma3", "gpt_oss", "llama", "mistral", "qwen3")


def outcomes(folder: Path, name: str) -> dict[str, Outcome]:
    return {one.test: one for one in written_outcomes(folder / f"quality_gate_{name}.txt")}


@pytest.mark.parametrize("name", MODELS)
def test_no_test_passes_under_one_and_fails_under_the_other(name: str) -> None:
    ours, real = outcomes(EXPECTED, name), outcomes(REAL, name)
    shared = sorted(ours.keys() & real.keys())
    assert len(shared) > 150, "most tests are transformers' own in both"
    failed = {FAILED, INHERITED}
    for test in shared:
        verdicts = {ours[test].outcome, real[test].outcome}
        assert not (verdicts & failed and PASSED in verdicts), f"{test}: {verdicts}"


@pytest.mark.parametrize("name", MODELS)
def test_what_the_real_testers_ask_of_caches_passes(name: str) -> None:
    real = outcomes(REAL, name)
    asked = [one for test, one in real.items() if "cache" in test or "past_key_values" in test]
    assert sum(one.outcome == PASSED for one in asked) >= 5
    assert not [one.test for one in real.values() if one.outcome == FAILED]


@pytest.mark.parametrize("name", MODELS)
def test_both_ask_what_a_gate_has_to_show(name: str) -> None:
    ours, real = outcomes(EXPECTED, name), outcomes(REAL, name)
    own = {
        test
        for test in ours
        if "gate" in test.partition("::")[2] or "quality_loss" in test or "reentrant_true" in test
    }
    passed = {test for test in own if ours[test].outcome == PASSED}
    assert passed and all(real[test].outcome == PASSED for test in passed)
