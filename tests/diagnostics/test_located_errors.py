"""Whatever tool refuses something: programs and people are told where, what and what to do, in one form."""

from __future__ import annotations

import argparse
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoints.commands import guarded
from checkpoints.errors import CheckpointError
from common_tests.problems import SuiteError
from diagnostics.errors import ConversionError, LocatedError, UnknownName, words_of
from diagnostics.names import nearest
from diagnostics.values import Diagnostic
from facts.entries import PeculiarError
from memory.errors import BankError
from selection.errors import SelectionError
from telling.answers import Answer
from telling.refusals import refused


IN_A_LINE = Diagnostic("bad-thing", "a/b.py", 3, 7, "is wrong", "write it right")
# What is raised, what is printed of it, and code, path, line, message, fix.
FAMILY: dict[str, tuple[Callable[[], LocatedError], str, tuple[str, str, int, str, str]]] = {
    "checkpoint": (
        lambda: CheckpointError(Path("a/b"), "is wrong", "write it right", code="bad-thing"),
        "a/b: bad-thing: is wrong; fix: write it right",
        ("bad-thing", "a/b", 0, "is wrong", "write it right"),
    ),
    "resumable": (
        lambda: CheckpointError("a", "is full", "free some", resumable=True),
        "a: is full; fix: free some",
        ("", "a", 0, "is full", "free some"),
    ),
    "selection": (
        lambda: SelectionError("--keep", "is 3", "give 1"),
        "--keep: is 3; fix: give 1",
        ("", "--keep", 0, "is 3", "give 1"),
    ),
    "bank": (
        lambda: BankError("row 3", "is none", "give 2"),
        "row 3: is none; fix: give 2",
        ("", "row 3", 0, "is none", "give 2"),
    ),
    "conversion": (
        lambda: ConversionError(IN_A_LINE, IN_A_LINE),
        "a/b.py:3:7: bad-thing: is wrong\n    fix: write it right\na/b.py:3:7: bad-thing: is wrong\n    fix: write it right",
        ("bad-thing", "a/b.py", 3, "is wrong", "write it right"),
    ),
    "peculiar": (
        lambda: PeculiarError(IN_A_LINE),
        "a/b.py:3:7: bad-thing: is wrong\n    fix: write it right",
        ("bad-thing", "a/b.py", 3, "is wrong", "write it right"),
    ),
    "suite": (
        lambda: SuiteError("it is gone", "fetch it"),
        "it is gone\n    fix: fetch it",
        ("", "", 0, "it is gone", "fetch it"),
    ),
    "name": (
        lambda: UnknownName("unknown-model", "there is no x", "did you mean y?"),
        "there is no x; did you mean y?",
        ("unknown-model", "", 0, "there is no x", "did you mean y?"),
    ),
}


@pytest.mark.parametrize("name", FAMILY)
def test_an_error_says_where_what_and_what_to_do(name: str) -> None:
    make, printed, fields = FAMILY[name]
    error = make()
    assert str(error) == printed
    assert (error.code, error.path, error.line, error.message, error.fix) == fields


@pytest.mark.parametrize("name", FAMILY)
def test_an_error_comes_out_of_a_worker_as_it_went_in(name: str) -> None:
    error = FAMILY[name][0]()
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error) and str(back) == str(error) and back.diagnostics == error.diagnostics
    assert getattr(back, "resumable", None) == getattr(error, "resumable", None)


@pytest.mark.parametrize("name", FAMILY)
def test_people_are_told_once_and_programs_get_every_problem(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    error = FAMILY[name][0]()
    given = refused(error)
    assert capsys.readouterr() == ("", f"{error}\n")
    assert given.status == 2 and len(given.problems) == len(error.diagnostics)
    code, path, line, message, fix = FAMILY[name][2]
    known = {"path": path, "line": line, "fix": fix}
    told = {key: value for key, value in given.problems[0].items() if key != "column"}
    assert told == {"code": code, "message": message, **{key: value for key, value in known.items() if value}}


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_command_answers_them_all_alike(name: str, as_json: bool, capfd: pytest.CaptureFixture[str]) -> None:
    def command(args: argparse.Namespace) -> Answer:
        raise FAMILY[name][0]()

    args = argparse.Namespace(json=as_json, quiet=False, verbose=False)
    assert guarded(command, args, "nowhere") == 2
    out, err = capfd.readouterr()
    assert err == f"{FAMILY[name][0]()}\n"
    assert (json.loads(out)["problems"][0]["message"] if as_json else out) == (FAMILY[name][2][3] if as_json else "")


def test_a_name_of_a_stranger_moves_no_cursor_and_has_an_end() -> None:
    error = CheckpointError("a\x1b[2J\nb", "x" * 10_000, "y")
    assert "\x1b" not in str(error) and "\n" not in str(error) and len(str(error)) < 5_000
    assert error.path == "a\x1b[2J\nb"  # programs get it as it is


def test_the_nearest_name_is_near_or_none() -> None:
    assert nearest("lama", ["llama", "qwen3"]) == "llama"
    assert nearest("x", ["llama", "qwen3"]) is None and nearest("", []) is None


@pytest.mark.parametrize(
    ("error", "first", "whole", "with_its_kind"),
    [
        (ValueError("too long"), "too long", "too long", "ValueError: too long"),
        (ValueError("\n too long:\n   by 3 \n"), "too long:", "too long: by 3", "ValueError: too long:"),
        (ValueError(), "ValueError", "ValueError", "ValueError"),  # Arrow and zstd raise some without a word
        (EOFError(" \n"), "EOFError", "EOFError", "EOFError"),
        (KeyError("name"), "'name'", "'name'", "KeyError: 'name'"),
    ],
)
def test_what_others_raise_is_told_in_one_line(error: Exception, first: str, whole: str, with_its_kind: str) -> None:
    assert (words_of(error), words_of(error, whole=True)) == (first, whole)
    assert words_of(error, kind=True) == with_its_kind
