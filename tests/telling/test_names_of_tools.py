"""A tool names itself and others as its user started it: `quality-gate gate`, or a clone's `gate_checkpoint.py`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from telling import tools
from telling.tools import SCRIPTS, named, started_as, typed
from test_every_command import REFUSED, run

from quality_gate.cli import COMMANDS


ROOT = Path(__file__).parents[2]
EVERY_SCRIPT = {path.name for path in (ROOT / "utils").glob("*.py")} - {"command.py", "places.py"}
A_COMMAND = re.compile(r"(?<![\w-])quality-gate [a-z]")
A_SCRIPT = re.compile(rf"\b({'|'.join(re.escape(name) for name in sorted(EVERY_SCRIPT))})|generated\.run")
OF_MEMORY = ("build", "show", "edit", "search", "export", "log", "undo")
HELPS = [*((name, ()) for name in COMMANDS), *(("memory", (name,)) for name in OF_MEMORY)]
TOLD = [pytest.param(name, words, id=" ".join((name, *words))) for name, words in HELPS]
# What is written into files, which are the same however a tool was started, and scripts that are no command.
AS_IT_STANDS = {
    "telling/tools.py": set(SCRIPTS.values()),
    "converter/banner.py": {"modular_converter.py"},
    "testgen/render.py": {"test_generator.py"},
    "testgen/manifest.py": {"test_generator.py"},
    "selection/selecting.py": {"select_data.py"},
    "memory/cli.py": {"memory_bank.py"},  # who made a change, in the bank's log
    "memory/chat_cli.py": {"chat_with_memory.py"},
    "portability/cli.py": {"portability_tests.py", "test_generator.py"},
    "mutation/cli.py": {"tool_mutants.py"},
    "testgen/mutants/cli.py": {"mutants.py"},
    "common_tests/cli.py": {"upstream_tests.py"},
    "scaffold/cli.py": {"scaffold_gate.py"},
    "matrix/cli.py": {"architecture_matrix.py"},
    "showcase/cli.py": {"demo.py"},
}


@pytest.fixture
def by_command(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr("sys.argv", [f"quality-gate {request.node.callspec.params['command']}"])


@pytest.fixture
def by_script(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr("sys.argv", [str(ROOT / "utils" / SCRIPTS[request.node.callspec.params["command"]])])


@pytest.mark.parametrize(("command", "words"), TOLD)
@pytest.mark.usefixtures("by_command")
def test_help_of_a_command_names_no_script(
    command: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command, [*words, "--help"]) == 0
    said = capsys.readouterr().out
    start = " ".join((f"quality-gate {command}", *words))
    assert command == "run" or said.startswith(f"usage: {start} ")
    assert not A_SCRIPT.findall(said) and start in said


@pytest.mark.parametrize(("command", "words"), [each for each in TOLD if each.values[0] in SCRIPTS])
@pytest.mark.usefixtures("by_script")
def test_help_of_a_script_names_no_command(
    command: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command, [*words, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: {' '.join((SCRIPTS[command], *words))} ") and not A_COMMAND.search(said)


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"run"}))
@pytest.mark.usefixtures("by_command")
def test_a_command_that_refuses_names_no_script(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, ["--no-such-option"]) == 2
    said = capsys.readouterr().err
    assert f"quality-gate {command}: error: " in said and not A_SCRIPT.findall(said)
    assert run(command, REFUSED[command]) == 2
    said = capsys.readouterr().err
    assert said and not A_SCRIPT.findall(said)


@pytest.mark.parametrize("command", sorted(SCRIPTS))
@pytest.mark.usefixtures("by_script")
def test_a_script_that_refuses_names_no_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, ["--no-such-option"]) == 2
    assert f"{SCRIPTS[command]}: error: " in capsys.readouterr().err
    assert run(command, REFUSED[command]) == 2
    said = capsys.readouterr().err
    assert said and not A_COMMAND.search(said)


def test_every_script_is_the_tool_of_its_command() -> None:
    for command, script in SCRIPTS.items():
        text = (ROOT / "utils" / script).read_text(encoding="utf-8")
        known = COMMANDS[command]
        assert f'run("{known.module}"' in text and (known.function == "main" or f'"{known.function}"' in text)
    assert set(COMMANDS) - set(SCRIPTS) == {"list", "run"}


def test_other_tools_are_named_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["quality-gate view"])
    assert (started_as(), named("gate"), typed("gate")) == ("view", "quality-gate gate", "quality-gate gate")
    monkeypatch.setattr("sys.argv", ["utils/view_scores.py"])
    assert (started_as(), named("gate"), typed("gate")) == (
        "",
        "gate_checkpoint.py",
        "python utils/gate_checkpoint.py",
    )
    monkeypatch.setattr("sys.argv", ["quality-gate checkout/utils/view_scores.py"])  # a folder's name with a space
    assert named("gate") == "gate_checkpoint.py"
    monkeypatch.setattr("sys.argv", [])  # Python inside another program
    assert named("gate") == "gate_checkpoint.py"
    monkeypatch.setattr(tools, "IS_CLONE", False)  # an installed package has no scripts to start
    assert typed("gate") == "quality-gate gate"


def texts(path: Path) -> Iterator[str]:
    """What a file holds in strings, without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


def test_no_message_has_the_name_of_a_script() -> None:
    files = [*(ROOT / "utils").rglob("*.py"), *(ROOT / "modular" / "gates").rglob("*.py")]
    files += [*(ROOT / "quality_gate").rglob("*.py"), ROOT / "templates" / "viewer" / "corpus.js"]
    for path in files:
        name = path.relative_to(ROOT).as_posix().removeprefix("utils/")
        found = texts(path) if path.suffix == ".py" else [path.read_text(encoding="utf-8")]
        scripts = {each for text in found for each in re.findall(r"\b\w+\.py\b", text)} & EVERY_SCRIPT
        assert scripts == AS_IT_STANDS.get(name, set()), name
