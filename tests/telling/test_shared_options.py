"""Options that several commands take: the same words, and the same values, whichever command it is."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from telling.grammar import add_generated, add_jobs, add_models


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="tool")
    add_models(made)
    add_generated(made, Path("generated"))
    add_jobs(made, 3, "how many at once")
    return made


def test_what_is_left_out_is_every_default() -> None:
    assert vars(parser().parse_args([])) == {"model": [], "all": False, "generated": Path("generated"), "jobs": 3}


def test_models_are_repeated_and_folders_are_paths() -> None:
    args = parser().parse_args(["--model", "llama", "--model", "bert", "--all", "--generated", "x", "--jobs", "1"])
    assert (args.model, args.all, args.generated, args.jobs) == (["llama", "bert"], True, Path("x"), 1)


def test_help_says_what_processes_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert "how many at once" in parser().format_help()
    with pytest.raises(SystemExit) as end:
        parser().parse_args(["--jobs", "many"])
    assert end.value.code == 2 and "invalid int value: 'many'" in capsys.readouterr().err
