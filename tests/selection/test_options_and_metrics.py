"""Numbers of command lines, and what a run logs."""

from __future__ import annotations

import json
from argparse import Namespace
from fractions import Fraction
from pathlib import Path

import pytest
from memory.errors import BankError
from selection.errors import SelectionError
from selection.metrics import Metrics
from selection.options import check_counts, share_of

from transformers import TrainerControl, TrainerState, TrainingArguments


def test_an_option_below_what_it_may_be_is_named_as_it_is_written() -> None:
    args = Namespace(batch_tokens=0, shard_size=1, max_length=None, count=-1)
    check_counts(args, "shard_size", "max_length")
    check_counts(args, "batch_tokens", least=0)
    with pytest.raises(SelectionError, match=r"^--batch-tokens: is 0; fix: give 1 or more$"):
        check_counts(args, "shard_size", "batch_tokens")
    with pytest.raises(BankError, match=r"^--count: is -1; fix: give 0 or more$"):
        check_counts(args, "count", least=0, refuse=BankError)


@pytest.mark.parametrize(
    ("text", "share"), [("0.3", Fraction(3, 10)), ("1/3", Fraction(1, 3)), ("0", Fraction(0)), ("1", Fraction(1))]
)
def test_a_share_is_exact(text: str, share: Fraction) -> None:
    assert share_of(text) == share


@pytest.mark.parametrize("text", ["", "-0.1", "1.01", "1/0", "nan", "inf", "a third", "0,3", "30%"])
def test_what_is_no_share_is_none(text: str) -> None:
    assert share_of(text) is None


def logged(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def run(metrics: Metrics, folder: Path, losses: list[float], first: bool = True) -> None:
    """One training, as Trainer tells of it."""
    args, control = TrainingArguments(str(folder), report_to="none"), TrainerControl()
    state = TrainerState(is_world_process_zero=first)
    metrics.on_train_begin(args, state, control)
    for state.global_step, loss in enumerate(losses, 1):
        metrics.on_log(args, state, control, {"loss": loss})


def test_a_run_begins_its_file_anew_and_its_trainings_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 9, "of": "a run before"}\n')
    metrics = Metrics(path)
    run(metrics, tmp_path, [0.5, 0.25])
    run(metrics, tmp_path, [0.125])
    assert [(each["step"], each["loss"]) for each in logged(path)] == [(1, 0.5), (2, 0.25), (1, 0.125)]


def test_a_run_that_goes_on_keeps_what_was_logged(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 9, "loss": 1.0}\n')
    run(Metrics(path, append=True), tmp_path, [0.5])
    assert [each["step"] for each in logged(path)] == [9, 1]


def test_of_several_processes_the_first_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("the first one's\n")
    run(Metrics(path), tmp_path, [0.5], first=False)
    assert path.read_text() == "the first one's\n"
