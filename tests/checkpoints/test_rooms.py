"""The rooms of utils/checkpoints: who may import whom, and who may import torch."""

from __future__ import annotations

import ast
import os
import pty
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
from bases import make_bulky_base
from checkpoints import cli
from checkpoints.progress import Progress, progress_for


UTILS = Path(__file__).parents[2] / "utils"
PACKAGE = UTILS / "checkpoints"
LAYERS = (  # lowest first
    ("errors", "casting", "progress"),
    ("paths", "hub", "commands", "homes"),
    ("documents", "forms", "gguf_headers"),
    ("headers",),
    ("layout", "experts"),
    ("architectures", "tensors"),
    ("banks", "configs", "modules", "writing", "pickles", "ggufs"),
    ("fields", "gates", "hashing", "opening", "released", "staging"),
    ("plan",),
    ("manifest",),
    ("gating", "ungating", "weights"),
    ("comparing", "running"),
    ("loading",),
    ("cli",),
)
OTHERS = {"diagnostics", "facts", "files", "naming", "processes", "telling"}
WITH_TORCH = {"modules", "pickles", "ggufs", "running", "loading"}


def imported(room: str) -> set[str]:
    tree = ast.parse((PACKAGE / f"{room}.py").read_text(encoding="utf-8"))
    found = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return found | {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}


def test_rooms_import_only_lower_rooms() -> None:
    for height, rooms in enumerate(LAYERS):
        allowed = set(chain.from_iterable(LAYERS[:height]))
        for room in rooms:
            own = {name.removeprefix("checkpoints.") for name in imported(room) if name.startswith("checkpoints")}
            assert own <= allowed, room


def test_every_room_is_in_a_layer() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"} == set(chain.from_iterable(LAYERS))


@pytest.mark.parametrize("room", sorted(chain.from_iterable(LAYERS)))
def test_rooms_import_no_other_tool_than_facts_and_torch_only_where_it_is_needed(room: str) -> None:
    roots = {name.split(".")[0] for name in imported(room)}
    tools = {path.name for path in UTILS.iterdir() if path.is_dir()} - {"checkpoints"}
    more = {"rounding"} if room in WITH_TORCH else {"building", "weave"} if room == "released" else set()
    assert roots & tools <= OTHERS | more
    assert bool(roots & {"torch", "transformers"}) == (room in WITH_TORCH)


def test_a_terminal_gets_a_bar(tmp_path: Path) -> None:
    base = make_bulky_base(tmp_path / "base", 40)
    terminal, end = pty.openpty()
    command = [sys.executable, UTILS / "gate_checkpoint.py", "--base", base, "--output", tmp_path / "gated"]
    process = subprocess.Popen([*command, "--link", "copy"], stdout=subprocess.DEVNULL, stderr=end)
    os.close(end)
    shown = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # how Linux says that nobody writes any more
            break
        if not part:
            break
        shown += part
    os.close(terminal)
    assert process.wait() == 0
    assert b"copying model-00001-of-00004.safetensors" in shown and b"hashing" in shown


def test_others_get_none() -> None:
    assert type(progress_for(quiet=True)) is Progress


def test_an_interrupted_command_says_that_it_can_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "gate_checkpoint", interrupt)
    assert cli.gate(["--base", "x", "--output", "y"]) == 130
    assert "the same command goes on where it stopped" in capsys.readouterr().err
