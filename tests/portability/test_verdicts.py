"""What a run of pytest on one machine is taken to say."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from portability.plan import AS_IT_IS, BY_ADDRESS, kernels
from portability.run import LEFT_OUT, environment, run
from portability.values import Layout, Machine, MachineResult


MACHINE = Machine(AS_IT_IS, (Layout(20, 1), Layout(36, 2)))
FAILURES = """
FAILED tests/models/quality_gate_llama/test_modeling_quality_gate_llama.py::TestLoss::test_a[x-y] - assert 1
ERROR tests/models/attention_gate_qwen3/test_modeling_attention_gate_qwen3.py::TestGate::test_b
2 failed, 40 passed, 3 skipped in 9.12s
"""


def said(
    monkeypatch: pytest.MonkeyPatch, status: int, output: str, error: str = "", **given: Any
) -> tuple[MachineResult, dict[str, Any]]:
    """The verdict on a process that ends so, and how it was started."""
    started: dict[str, Any] = {}

    def ended(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        started.update(options, command=command)
        return subprocess.CompletedProcess(command, status, output, error)

    monkeypatch.setattr("portability.run.subprocess.run", ended)
    return run(MACHINE, [Path("suite")], Path("project"), **{"jobs": 1, **given}), started


def test_failures_are_named_by_suite_and_test(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = said(monkeypatch, 1, FAILURES)
    assert found.failed == ("quality_gate_llama::TestLoss::test_a[x-y]", "attention_gate_qwen3::TestGate::test_b")
    assert (found.status, found.passed, found.said) == (1, 40, "")


@pytest.mark.parametrize(
    ("status", "words"), [(0, ""), (1, ""), (2, "7 passed no such option"), (-9, "7 passed no such option")]
)
def test_what_pytest_says_is_kept_where_no_test_failed(
    monkeypatch: pytest.MonkeyPatch, status: int, words: str
) -> None:
    found, _ = said(monkeypatch, status, "7 passed\n", "no such   option\n")
    assert (found.passed, found.failed, found.said) == (7, (), words)


def test_long_words_are_cut_in_front(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = said(monkeypatch, 2, "first " * 500, "last")
    assert len(found.said) == 600 and found.said.endswith("last")
    assert said(monkeypatch, 2, "nothing of numbers")[0].passed == 0
    assert said(monkeypatch, 1, "", "No module named pytest")[0].said == "No module named pytest"


def test_the_process_is_that_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    _, started = said(monkeypatch, 0, "", jobs=3, tests="TestLoss")
    assert tuple(map(Layout.parse, started["env"]["PORTABILITY_LAYOUTS"].split(","))) == MACHINE.layouts
    command = started["command"]
    assert command[command.index("-k") + 1] == f"(TestLoss) and {LEFT_OUT}" and command[-1] == "suite"
    assert command[command.index("--numprocesses") + 1] == "3" and started["cwd"] == Path("project")
    _, alone = said(monkeypatch, 0, "")
    assert "--numprocesses" not in alone["command"] and LEFT_OUT in alone["command"]


def test_kernels_are_told_by_variables() -> None:
    lowest = kernels(())[2]
    assert environment(Machine(BY_ADDRESS, ()))["PORTABILITY_BY_ADDRESS"] == "1"
    assert environment(MACHINE)["PORTABILITY_BY_ADDRESS"] == ""
    found = environment(Machine(lowest, ()))
    assert found["ATEN_CPU_CAPABILITY"] == "default" and found["PORTABILITY_CAPABILITY"] == "DEFAULT"
    assert found["HF_HUB_OFFLINE"] == "1" and found["OMP_NUM_THREADS"] == "1"
