"""pytest in a workspace, in a process of its own that finds the laid-over transformers first."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from facts.values import ModelFacts, base_name
from naming.kinds import MEANT
from processes.served import quiet_environment
from testgen.pull_request import suite_path

from common_tests.outcomes import FAILED, INHERITED, Outcome, read_outcomes
from common_tests.problems import SuiteError
from common_tests.workspace import add_test_of_base


OUTCOMES = "UPSTREAM_TESTS_OUTCOMES"  # names the file for outcomes, to the tests' conftest.py
OPTIONS = ("-q", "-p", "no:cacheprovider", "--no-header", "--tb=short")
OF_GATES = ("gate", "quality_loss", "reentrant_true")  # in the names of tests that the rendered files add or replace


def run_tests(
    root: Path,
    paths: Sequence[str],
    jobs: int,
    options: Sequence[str] = (),
    quiet: bool = False,
    python: str = sys.executable,
) -> list[Outcome]:
    """Run test files or single tests of a workspace; return what became of each.

    Args:
        root: the workspace.
        paths: the files, or pytest's names of single tests, below it.
        jobs: how many processes run them.
        options: more words for pytest's command line.
        quiet: whether what pytest prints is thrown away.
        python: the interpreter that runs them.

    Raises:
        SuiteError: pytest did not get as far as running them.
    """
    written = root / "outcomes.json"
    written.unlink(missing_ok=True)
    command = [python, "-m", "pytest", *OPTIONS, *options]
    command += ["--numprocesses", str(jobs)] if jobs > 1 else []
    status = _run(
        [*command, *paths],
        cwd=root,
        env=environment(root) | {OUTCOMES: str(written)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if quiet else None,
    )
    if not written.exists() or status not in (0, 1, 2):
        raise SuiteError(
            f"pytest ended with {status} and ran nothing in {root}",
            f"see what it printed; run it again there with PYTHONPATH={root / 'src'}",
        )
    return read_outcomes(written)


def _run(command: Sequence[str], **how: Any) -> int:
    """The exit status of a command, which ends with this process: on Ctrl-C at once, with all of its own processes."""
    with subprocess.Popen(command, start_new_session=True, **how) as process:
        try:
            return process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def environment(root: Path) -> dict[str, str]:
    """What processes of a workspace run with: its transformers first on the path, no network, one thread."""
    return quiet_environment([root / "src"])


def mark_inherited(
    root: Path,
    outcomes: Iterable[Outcome],
    models: Mapping[str, ModelFacts],
    run: Callable[[Sequence[str]], list[Outcome]],
) -> list[Outcome]:
    """Run every failed test again on the base: what fails there as well is no fault of the gates.

    Args:
        root: the workspace.
        outcomes: of the tests that were run there.
        models: the facts of each package.
        run: runs single tests of the workspace.
    """
    outcomes = list(outcomes)
    texts = {package: (root / suite_path(facts)).read_text(encoding="utf-8") for package, facts in models.items()}
    failing = [one for one in outcomes if one.outcome == FAILED and "::" in one.test]
    again = [one for one in failing if not _is_of_gates(one.test, texts[one.package])]
    if not again:
        return outcomes
    paths = {package: add_test_of_base(root, models[package]) for package in {one.package for one in again}}
    nodes = [f"{paths[one.package]}::{_of_base(one.test)}" for one in again]
    failed = {(one.package, one.test) for one in run(nodes) if one.outcome == FAILED}
    bases = {(one.package, one.test) for one in again if (f"base_of_{one.package}", _of_base(one.test)) in failed}
    return [replace(one, outcome=INHERITED) if (one.package, one.test) in bases else one for one in outcomes]


def _of_base(test: str) -> str:
    return base_name(test).replace(MEANT.prefix, "")


def _is_of_gates(test: str, text: str) -> bool:
    """Whether a model's test file, and not transformers, says what the test does."""
    name = re.sub(r"_\d+(_\w+)?$", "", test.rpartition("::")[2])  # as it was before it got parameters
    return any(word in name for word in OF_GATES) and f"def {name}(" in text


def test_files(models: Iterable[ModelFacts]) -> list[str]:
    """The paths of the models' test files in a workspace."""
    return [suite_path(facts) for facts in models]
