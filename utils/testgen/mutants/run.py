"""A suite against mutants, each in a process of its own that shares what was imported before."""

from __future__ import annotations

import importlib
import os
import resource
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from processes.spread import spread

from testgen.mutants.values import SuiteResult


LIMIT = 120  # seconds of a processor for one mutant, however many share it: the classes of tests that run take less than 20
PATIENCE = 3600  # seconds for a mutant that waits for something
UNFINISHED = 9  # the exit status of a run that was stopped
IMPORTED_BEFORE = ("pytest", "torch", "safetensors.torch", "tokenizers", "transformers", "transformers.pipelines")


class FirstFailure:
    """A pytest plugin that writes down which test failed first."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.file.exists():
            self.file.write_text(report.nodeid.partition("::")[2], encoding="utf-8")


def preload(*modules: str) -> None:
    """Import what every run needs, so that forked processes have it."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    for name in (*IMPORTED_BEFORE, *modules):
        importlib.import_module(name)


def run_all(
    runs: Sequence[tuple[str, str, Mapping[str, str]]], package: str, suite: Path, jobs: int
) -> Iterator[SuiteResult]:
    """A verdict for each run, as they come in.

    A run may take `PATIENCE` seconds, `LIMIT` of them of a processor; one that is stopped has the status `UNFINISHED`.

    Args:
        runs: (name, tests as `-k` takes them, file name -> text of the package).
        package: the name of the package, "quality_gate_llama".
        suite: the file of its tests.
        jobs: how many run at a time.
    """
    texts = {name: (tests, files) for name, tests, files in runs}
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:

        def run(name: str) -> None:
            resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
            tests, files = texts[name]
            sys.exit(_run_tests(_laid_out(Path(scratch) / name, files, package), tests, package, suite))

        with closing(spread(run, list(texts), jobs, PATIENCE)) as ended:  # nobody writes there when it goes
            for done in ended:
                told = Path(scratch) / done.name / "first_failure"
                test = told.read_text(encoding="utf-8") if told.exists() else ""
                yield SuiteResult(done.name, UNFINISHED if done.status < 0 else done.status, test, done.seconds)


def _laid_out(folder: Path, files: Mapping[str, str], package: str) -> Path:
    """The folder, with the files of a broken package in it."""
    target = folder / "generated" / package
    target.mkdir(parents=True)
    for name, text in files.items():
        (target / name).write_text(text, encoding="utf-8")
    return folder


def _run_tests(folder: Path, tests: str, package: str, suite: Path) -> int:
    """Runs in the child: pytest, with the broken package in place of the real one."""
    import pytest

    import generated

    # what tests write goes with the run, even one that is killed
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    generated.__path__.insert(0, str(folder / "generated"))
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=short", "-k", tests]
    status = pytest.main([str(suite), *options], plugins=[FirstFailure(folder / "first_failure")])
    modeling = sys.modules.get(f"generated.{package}.modeling_{package}")
    if modeling is None or not str(modeling.__file__).startswith(str(folder)):
        return UNFINISHED  # something imported the real one before
    return int(status)
