"""Ctrl-C, in every tool and at any moment: no word of Python, exit status 130, and no process left."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
UTILS = ROOT / "utils"
SCRIPTS = sorted(path for path in UTILS.glob("*.py") if path.name not in ("command.py", "places.py"))
# Says when Python is up and the script is next: before that, Ctrl-C is Python's own affair.
START = "import runpy, sys; sys.argv = sys.argv[1:]; sys.path.insert(0, {utils!r}); print('ready', flush=True); "
START += "runpy.run_path(sys.argv[0], run_name='__main__')"
LONG = {  # what each of these does takes many seconds
    "modular_converter.py": ["--all", "--check", "--no-cache"],
    "test_generator.py": ["--all", "--check"],
    "scaffold_gate.py": ["--all", "--stdout"],
    "mutants.py": [],
    "smoke.py": [],
}
TOOL = """
import threading, time, sys
if {early}:
    raise KeyboardInterrupt
def main():
    threading.Thread(target=time.sleep, args=(600,)).start()
    print("begun")
    raise KeyboardInterrupt
"""
# Where Python or a library drops a KeyboardInterrupt: a bare except around an import, and any callback of a weak reference.
LOST = {
    "while importing": """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    [None for _ in range(1000)]
except BaseException:
    pass
def main():
    print("goes on")
""",
    "while importing in a tool": """
import sys
from pathlib import Path
def main():
    sys.path.insert(0, str(Path(__file__).parent))
    import catches_everything
    print("goes on", flush=True)
    import time
    time.sleep(60)
""",
    "in a callback": """
import os, signal, time, weakref
class Module:
    pass
def interrupted(reference):
    os.kill(os.getpid(), signal.SIGINT)
    [None for _ in range(1000)]
def main():
    module = Module()
    reference = weakref.ref(module, interrupted)
    del module
    time.sleep(60)
    print("goes on")
""",
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_starts_its_tool_in_the_shared_way(script: Path) -> None:
    """Nothing that takes long is imported outside of it."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    imported = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert imported <= {"command", "pathlib"} and not any(isinstance(node, ast.Import) for node in tree.body)
    last = tree.body[-1]
    assert isinstance(last, ast.If) and ast.unparse(last.body[0]).startswith("run(")
    module, *function = [ast.literal_eval(each) for each in last.body[0].value.args]
    text = (UTILS / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
    assert f"def {function[0] if function else 'main'}(" in text


@pytest.mark.parametrize("early", [True, False], ids=["while importing", "with a thread that goes on"])
def test_an_interrupted_tool_ends_at_once(early: bool, tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text(TOOL.format(early=early))
    command = [sys.executable, "-c", "from command import run; run('tool')"]
    paths = {**os.environ, "PYTHONPATH": f"{UTILS}:{tmp_path}"}
    done = subprocess.run(command, env=paths, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (130, "")
    assert done.stdout == ("" if early else "begun\n")


@pytest.mark.parametrize("where", LOST)
def test_ctrl_c_is_not_lost(where: str, tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text(LOST[where])
    caught = LOST["while importing"].partition("def main")[0]
    (tmp_path / "catches_everything.py").write_text(caught)
    done = subprocess.run(
        [sys.executable, "-c", "from command import run; run('tool')"],
        env={**os.environ, "PYTHONPATH": f"{UTILS}:{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=50,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stderr) == (130, "")
    assert done.stdout == "" or (where == "while importing in a tool" and done.stdout == "goes on\n")  # not cut short


def test_a_tool_that_ends_by_itself_says_how(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text("def check(*, status):\n    return status\n")
    command = [sys.executable, "-c", "from command import run; run('tool', 'check', status=2)"]
    paths = {**os.environ, "PYTHONPATH": f"{UTILS}:{tmp_path}"}
    assert subprocess.run(command, env=paths).returncode == 2


def is_gone(group: int, patience: float = 5.0) -> bool:
    """Whether no process of a group is left; one that has ended is there until the system has taken note."""
    for _ in range(round(patience / 0.05)):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("wait", [0.3, 2.0], ids=["early", "late"])
@pytest.mark.parametrize("script", LONG)
def test_ctrl_c_is_quiet(script: str, wait: float, tmp_path: Path) -> None:
    """The signal goes to all processes of a group, as a terminal sends it."""
    command = [sys.executable, "-c", START.format(utils=str(UTILS)), str(UTILS / script), *LONG[script]]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in a background ignores it
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(wait)
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Traceback" not in said and "KeyboardInterrupt" not in said
    theirs = ("pymp-", "torchinductor_")  # folders that Python and torch leave for others to find
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(theirs)]
    assert is_gone(process.pid)
