"""A process that answers one request in lines, seen from outside."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from processes.served import EndedEarly, quiet_environment, served


ECHO = """
import json, os, sys, time
asked = json.load(sys.stdin)
for word in asked["words"]:
    print(word, os.environ["HF_HUB_OFFLINE"], flush=True)
if asked.get("error"):
    raise RuntimeError(asked["error"])
if asked.get("waits"):
    open("pid", "w").write(str(os.getpid()))
    print("waiting", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "echo_words.py").write_text(ECHO)
    return tmp_path


def test_lines_come_as_they_are_printed(folder: Path) -> None:
    environment = quiet_environment([folder])
    assert list(served("echo_words", {"words": ["a", "b"]}, folder, environment, folder / "said")) == ["a 1", "b 1"]


def test_an_error_names_the_file_with_what_was_said(folder: Path) -> None:
    answer = served("echo_words", {"words": ["a"], "error": "no luck"}, folder, quiet_environment([]), folder / "said")
    assert next(answer) == "a 1"
    with pytest.raises(EndedEarly) as told:
        next(answer)
    assert "no luck" in Path(str(told.value)).read_text()


def test_it_ends_with_whoever_asks(folder: Path) -> None:
    answer = served("echo_words", {"words": [], "waits": True}, folder, quiet_environment([]), folder / "said")
    assert next(answer) == "waiting"
    answer.close()
    status, until = Path(f"/proc/{(folder / 'pid').read_text()}"), time.monotonic() + 30
    while status.exists():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_environment_looks_in_the_given_folders_first() -> None:
    environment = quiet_environment([Path("/a"), Path("/b")])
    assert environment["PYTHONPATH"] == os.pathsep.join(["/a", "/b"])
    assert not [name for name in environment if name.startswith("PYTEST_")]
