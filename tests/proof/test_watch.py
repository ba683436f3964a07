"""What a call says, raises and gives, with the statement of a converted file behind it."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest
from proof.watch import watched


TEXT = """
import logging
import warnings

def gives(): return 3
def warns(): warnings.warn("mind this", FutureWarning, stacklevel=3)
def logs(): logging.getLogger(__name__).warning("mind %s", "that")
class Toy:
    def fails(self): return int("no\\nnumber")
    def names(self): raise ValueError(f"look into {__file__}")
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    folder = tmp_path / "generated" / "a_toy"
    folder.mkdir(parents=True)
    (folder / "modeling_a_toy.py").write_text(TEXT)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "modeling_a_toy", raising=False)
    return importlib.import_module("modeling_a_toy")


def folder_of(toy: ModuleType) -> Path:
    return Path(str(toy.__file__)).parent


def test_what_it_gives(toy: ModuleType) -> None:
    call = watched(toy.gives, folder_of(toy))
    assert (call.given, call.error, call.said) == (3, "", [])


def test_an_error_is_one_line_with_its_place(toy: ModuleType) -> None:
    call = watched(toy.Toy().fails, folder_of(toy))
    assert call.error == "ValueError: invalid literal for int() with base 10: 'no\\nnumber'"
    assert call.where == "Toy.fails (modeling_a_toy.py:9)"


def test_messages_have_no_folder_of_one_run(toy: ModuleType) -> None:
    call = watched(toy.Toy().names, folder_of(toy))
    assert call.error == "ValueError: look into generated/a_toy/modeling_a_toy.py"


def test_an_error_from_elsewhere_has_its_own_place(toy: ModuleType) -> None:
    call = watched(lambda: importlib.import_module("no_such_module"), folder_of(toy))
    assert call.error.startswith("ModuleNotFoundError: ")
    assert call.where


def test_warnings_and_log_lines_have_their_places(toy: ModuleType) -> None:
    call = watched(lambda: (toy.warns(), toy.logs()), folder_of(toy))
    assert [(one.what, one.where) for one in call.said] == [
        ("FutureWarning: mind this", "warns (modeling_a_toy.py:6)"),
        ("log: mind that", "logs (modeling_a_toy.py:7)"),
    ]


def test_every_call_is_listened_to_anew_and_nothing_stays(toy: ModuleType) -> None:
    before = list(logging.getLogger().handlers), warnings.showwarning
    said = [watched(toy.warns, folder_of(toy)).said for _ in range(2)]
    assert [len(each) for each in said] == [1, 1]
    assert (list(logging.getLogger().handlers), warnings.showwarning) == before
