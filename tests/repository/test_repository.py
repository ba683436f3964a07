"""What the repository promises around the code: commands, pins, an installable package, a clean tree."""

from __future__ import annotations

import ast
import gc
import os
import re
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement


ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CHECKS = ("lint", "docs", "conformance-ends", "mutants", "test-portability", "upstream-tests", "test")
LARGEST_FILE = 512 * 1024
LONGEST_FILE, LONGEST_FUNCTION = 300, 60


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout, so nothing says which files belong to it")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def requirements() -> Iterator[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]:
        yield Requirement(line)


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def dry_run(*arguments: str) -> str:
    """What make would do where nothing is installed yet."""
    command = ["make", "--dry-run", "VENV=nowhere/.venv", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_every_dependency_is_pinned_within_its_range() -> None:
    pinned = pins()
    for requirement in requirements():
        if requirement.name != "quality-gate":
            assert requirement.specifier.contains(pinned[requirement.name]), requirement


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_links_of_a_page_exist(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)
    scripts = re.findall(r"python ((?:utils|benchmarks|examples)/\w+\.py)", text)
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert set(commands) <= targets
    assert [path for path in scripts if not (ROOT / path).is_file()] == []
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_opens_with_the_two_commands() -> None:
    opening = (ROOT / "README.md").read_text().split("```")[1]
    assert re.findall(r"^make .*$", opening, re.MULTILINE)[0].startswith("make convert MODEL=llama")
    assert re.findall(r"^make .*$", opening, re.MULTILINE)[1].startswith("make test")


def test_converting_comes_before_torch_is_installed() -> None:
    plan = dry_run("convert", "MODEL=llama qwen3")
    converting = plan.index("modular_converter.py --model llama --model qwen3")
    assert "torch" not in plan[:converting]
    assert plan.index("[torch]") < plan.index("smoke.py --model llama --model qwen3")


def test_without_a_model_everything_is_converted() -> None:
    assert re.search(r"modular_converter\.py --all$", dry_run("convert"), re.MULTILINE)


@pytest.mark.parametrize("broken", [*CHECKS, None])
def test_ci_runs_every_check_and_fails_when_one_does(broken: str | None, tmp_path: Path) -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho "ran $1"\ntest "$1" != "{broken}"\n')
    make.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run([script], env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert run.stdout.splitlines() == [f"ran {check}" for check in CHECKS]
    assert run.returncode == (1 if broken else 0)
    assert run.stderr == (f"failed: {broken}\n" if broken else "")


def test_no_file_is_too_large_or_names_a_machine() -> None:
    machine_path = re.compile(rb"(?<![\w.~/-])/(?:work|root)/\w")
    for path in tracked_files():
        content = path.read_bytes()
        assert len(content) <= LARGEST_FILE, path
        assert not machine_path.search(content), path


@pytest.mark.parametrize(
    "path", sorted((ROOT / "modular").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_deltas_and_kinds_of_gate_stay_small(path: Path) -> None:
    assert path.read_text().count("\n") <= LONGEST_FILE


@pytest.mark.parametrize("path", sorted((ROOT / "utils").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_stay_small_and_typed(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, node.name
            assert node.returns is not None, node.name


def test_test_files_have_names_of_their_own() -> None:
    """pytest imports them by their bare names: of two alike, the second is an error where both are collected."""
    tests = [path for path in tracked_files() if ROOT / "tests" in path.parents and path.match("test_*.py")]
    names = Counter(path.name for path in tests)
    assert {name: count for name, count in names.items() if count > 1} == {}


@pytest.mark.parametrize("target", ["test", "test-all"])
def test_runs_of_tests_begin_with_the_machine(target: str) -> None:
    """A report from elsewhere says what it is of."""
    plan = dry_run(target)
    assert 0 < plan.index("utils/machine.py") < plan.index("-m pytest")


def test_garbage_is_searched_for_in_what_came_since_collection() -> None:
    """A search through all that tests import takes a second, and libraries ask for one after each step."""
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000
