"""What can be run on an exported tree, and what came of it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from syntax.queries import strings
from syntax.trees import tree_of


CHECKERS = "utils/checkers.py"
# What puts shared files in order; whatever else they touch is put back.
FIXERS = ("auto_mappings", "inits", "sort_auto_mappings", "doc_toc")
TESTER = "tests/causal_lm_tester.py"
SECONDS = 900


@dataclass(frozen=True, slots=True)
class CommandRun:
    """A command that was run in the tree."""

    command: str
    passed: bool
    seconds: float
    said: str  # the last lines of what it printed

    @property
    def last_line(self) -> str:
        return next((line.strip() for line in reversed(self.said.splitlines()) if line.strip()), "")


def checkers(tree: Path) -> list[str]:
    """The names of the checkers that a tree has: the keys of the table in its `utils/checkers.py`."""
    script = tree / CHECKERS
    if not script.is_file():
        return []
    for node in ast.walk(tree_of(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict) and "ruff_check" in (names := strings(node)):
            return list(names)
    return []


def run_fixers(tree: Path) -> list[CommandRun]:
    """Let the tree's own scripts put the shared files right. Where they fail, its checkers will say so."""
    known = checkers(tree)
    return [run(tree, [CHECKERS, "--no-cache", name, "--fix"]) for name in FIXERS if name in known]


def run_checkers(tree: Path) -> list[CommandRun]:
    """Every checker of the tree, one process each."""
    return [run(tree, [CHECKERS, "--no-cache", name]) for name in checkers(tree)]


def run_tests(tree: Path, names: Iterable[str]) -> list[CommandRun]:
    """The models' own test suites, where the tree has what they are built on."""
    if not (tree / TESTER).is_file():
        return []
    return [run(tree, ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/models/{name}"]) for name in names]


def run(tree: Path, arguments: Sequence[str], script: str | None = None, name: str = "") -> CommandRun:
    """Run Python in a tree, on the tree's own transformers. What takes longer than `SECONDS` has not passed.

    Args:
        tree: the root of a repository of transformers.
        arguments: Python's.
        script: what it reads as its input.
        name: what the run is called where its arguments say nothing.
    """
    surroundings = {
        **os.environ,
        "PYTHONPATH": str(tree / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HUB_OFFLINE": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    started = time.perf_counter()
    try:
        done = subprocess.run(
            (sys.executable, *arguments),
            cwd=tree,
            env=surroundings,
            input=script or "",
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
        )
        said, passed = done.stdout + done.stderr, not done.returncode
    except subprocess.TimeoutExpired:
        said, passed = f"no end after {SECONDS} s", False
    said = re.sub(r"\x1b\[[0-9;]*m", "", said)
    tail = "\n".join(said.rstrip().splitlines()[-15:])
    return CommandRun(name or f"python {' '.join(arguments)}", passed, time.perf_counter() - started, tail)
