"""One run of pytest in a copy of the project, in a process of its own that shares what was imported before."""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mutation.reach import LOG


IMPORTED_BEFORE = (
    *("pytest", "_pytest.assertion.rewrite", "_pytest.tmpdir", "libcst", "jinja2", "rich.console", "rich.progress"),
    *(
        "numpy",
        "torch",
        "safetensors.torch",
        "tokenizers",
        "transformers",
        "transformers.modeling_utils",
        "hypothesis",
    ),
)
BEGAN, ENDED, TESTS, TOLD = "began", "ended.json", "tests.tsv", "told.tsv"


class Record:
    """A pytest plugin that writes each test down when it ends: outcome, seconds, name."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.first_failure = ""

    def pytest_runtest_logreport(self, report: object) -> None:
        name, outcome, seconds = (getattr(report, each) for each in ("nodeid", "outcome", "duration"))
        if outcome == "failed":
            self.first_failure = self.first_failure or name
        with self.file.open("a", encoding="utf-8") as log:
            log.write(f"{outcome}\t{seconds:.4f}\t{name}\n")

    def pytest_collectreport(self, report: object) -> None:
        if getattr(report, "failed", False):
            self.first_failure = self.first_failure or f"{getattr(report, 'nodeid')} (cannot be collected)"


def preload(names: Sequence[str] = IMPORTED_BEFORE) -> None:
    """Import what most tests need and no tool is part of, so that forked processes have it."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    for name in names:
        with suppress(ImportError):
            importlib.import_module(name)


def run(project: Path, tests: Sequence[str], folder: Path, seconds: float, stops: bool) -> None:
    """Run tests of a copy of the project; for a process that ends afterwards. What it saw stands in `folder`.

    Args:
        project: the copy.
        tests: files or single tests, as pytest takes them, below the copy.
        folder: an empty one, for `began`, `tests.tsv`, `told.tsv`, `ended.json` and what tests write.
        seconds: of a processor, after which the system ends the process; of a clock, four times as many.
        stops: whether it ends with the first failure.
    """
    _forget(project)
    os.chdir(project)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    os.environ[LOG] = str(folder / TOLD)
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, (project, project / "utils")))
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    import pytest

    record = Record(folder / TESTS)
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=short", f"--rootdir={project}"]
    (folder / BEGAN).touch()
    resource.setrlimit(resource.RLIMIT_CPU, (limit := int(seconds) + 1, limit))
    signal.alarm(4 * limit)
    status = pytest.main([*options, *(["-x"] if stops else []), *tests], plugins=[record])
    said = json.dumps({"status": int(status), "test": record.first_failure})
    (folder / ENDED).write_text(said, encoding="utf-8")


def _forget(project: Path) -> None:
    """Let this process find the copy's tools: not those of this checkout, which runs it, and their folders."""
    home = Path(__file__).resolve().parents[2]
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and home in Path(file).parents and "site-packages" not in Path(file).parts:
            del sys.modules[name]
    own = {str(home), str(home / "utils"), str(home / "modular")}
    sys.path[:] = [str(project), *(path for path in sys.path if path not in own)]
    importlib.invalidate_caches()
