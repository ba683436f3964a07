"""Libraries show their bars on a terminal alone, whichever tool started them."""

from __future__ import annotations

import os
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from telling.bars import SWITCHES, switch_bars


UTILS = Path(__file__).parents[2] / "utils"
# A tool as every script and the command start one; it shows a bar of each library, as loading and fetching do.
TOOL = """\
def main():
    import datasets.utils, huggingface_hub.utils
    from transformers.utils import logging
    for name, bar in (("hub", huggingface_hub.utils.tqdm), ("datasets", datasets.utils.tqdm), ("loading", logging.tqdm)):
        for _ in bar(range(3), desc=name):
            pass
    return 0
"""
START = "from command import run; run('tool')"


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which `tool` is a tool like those of utils/."""
    pytest.importorskip("datasets")
    folder = tmp_path_factory.mktemp("bars")
    (folder / "tool.py").write_text(TOOL)
    environment = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    return environment | {"PYTHONPATH": os.pathsep.join(map(str, (UTILS, folder)))}


def test_there_are_none_on_a_pipe(tool: dict[str, str]) -> None:
    done = subprocess.run([sys.executable, "-c", START], env=tool, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_there_are_bars_on_a_terminal(tool: dict[str, str]) -> None:
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))  # bars are as wide as the terminal
    started = subprocess.Popen([sys.executable, "-c", START], env=tool, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    said, until = b"", time.monotonic() + 120
    while time.monotonic() < until:
        try:
            read = os.read(ours, 4096)
        except OSError:  # how Linux says that nobody writes any more
            break
        if not read:
            break
        said += read
    os.close(ours)
    assert started.wait(60) == 0
    assert all(name in said for name in (b"hub", b"datasets", b"loading"))


def test_quiet_is_quiet_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for switch in SWITCHES:
        monkeypatch.delenv(switch, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    switch_bars()
    assert not set(SWITCHES) & set(os.environ)
    monkeypatch.setenv(SWITCHES[0], "0")
    switch_bars(quiet=True)
    assert [os.environ[switch] for switch in SWITCHES] == ["0", "1", "1"]


def test_every_tool_is_started_in_that_place() -> None:
    scripts = [path for path in UTILS.glob("*.py") if path.stem not in ("command", "places")]
    assert scripts and all("from command import run" in path.read_text(encoding="utf-8") for path in scripts)
