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
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from mutation.probe import LOG


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
BEGAN, ENDED, RUNNING, REACHED = "began", "ended.json", "running", "reached"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a run may take, in seconds of a processor."""

    test: float = 5.0  # one test: it is then passed over
    run: float = 15.0  # a file of them: what comes later in it is not run


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run saw."""

    began: bool
    failed: str = ""  # the first test that failed, or the file that could not be collected
    slow: str = ""  # the first test that took too long and was passed over
    running: str = ""  # the test that ran when the process was ended
    passed: int = 0
    reached: bool = False


class _Watch:
    """A pytest plugin: which test runs, which one fails first, and none takes longer than it may."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self.failed = self.slow = ""
        self.passed = 0
        signal.signal(signal.SIGPROF, self._too_slow)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        (self.folder / RUNNING).write_text(nodeid, encoding="utf-8")

    def pytest_runtest_logreport(self, report: object) -> None:
        outcome, nodeid = getattr(report, "outcome"), getattr(report, "nodeid")
        if outcome == "failed":
            self.failed = self.failed or nodeid
        self.passed += outcome == "passed" and getattr(report, "when") == "call"

    def pytest_collectreport(self, report: object) -> None:
        if getattr(report, "failed"):
            self.failed = self.failed or getattr(report, "nodeid")

    def pytest_runtest_protocol(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, self.limits.test)

    def pytest_runtest_logfinish(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _too_slow(self, number: int, frame: FrameType | None) -> None:
        import pytest

        self.slow = self.slow or (self.folder / RUNNING).read_text(encoding="utf-8")
        pytest.skip("takes too long")


def preload(names: Sequence[str] = IMPORTED_BEFORE) -> None:
    """Import what most tests need and no tool is part of, so that forked processes have it."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    for name in names:
        with suppress(ImportError):
            importlib.import_module(name)


def run(
    project: Path, tests: Sequence[str], folder: Path, limits: Limits, without: Sequence[str], collecting: bool
) -> None:
    """Run tests of a copy of the project until one fails; for a process that ends afterwards. `seen` reads what it saw.

    Args:
        project: the copy.
        tests: files or single tests, as pytest takes them, below the copy.
        folder: an empty one outside of the copy, for what is seen, and for what tests write.
        limits: the system ends the process after those of a run, or after four times as long by the clock (SIGALRM).
        without: tests that are left out.
        collecting: whether tests are only found, and not run.
    """
    _forget(project)
    os.chdir(project)
    os.environ.update(surroundings(project, folder))
    for name in [name for name in os.environ if name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")]:
        del os.environ[name]
    tempfile.tempdir = str(folder)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    import pytest

    watch = _Watch(folder, limits)
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=short", f"--rootdir={project}"]
    (folder / BEGAN).touch()
    resource.setrlimit(resource.RLIMIT_CPU, (limit := int(_spent() + limits.run) + 1, limit))
    signal.alarm(4 * int(limits.run) + 1)
    options += ["--collect-only"] if collecting else []
    pytest.main([*options, *(f"--deselect={test}" for test in without), *tests], plugins=[watch])
    said = {"failed": watch.failed, "slow": watch.slow, "passed": watch.passed}
    (folder / ENDED).write_text(json.dumps(said), encoding="utf-8")


def surroundings(project: Path, folder: Path) -> dict[str, str]:
    """Environment variables with which a broken tool finds nobody's files, settings and repositories but the copy's."""
    return {
        LOG: str(folder / REACHED),
        "PYTHONPATH": os.pathsep.join(map(str, (project, project / "utils"))),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "QUALITY_GATE_CACHE_DIR": str(folder / "cache" / "quality-gate"),
        "GIT_CEILING_DIRECTORIES": str(folder.parent),
        "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),  # git writes by renaming: a device would be replaced by a file
        "GIT_CONFIG_SYSTEM": str(folder / "gitconfig"),
    }


def seen(folder: Path) -> Seen:
    """What the run of a folder saw, when its process has ended."""
    reached, running, said = (folder / REACHED).exists(), "", {}
    if (folder / ENDED).exists():
        said = json.loads((folder / ENDED).read_text(encoding="utf-8"))
    elif (folder / RUNNING).exists():
        running = (folder / RUNNING).read_text(encoding="utf-8")
    return Seen((folder / BEGAN).exists(), running=running, reached=reached, **said)


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


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


def last_line(folder: Path) -> str:
    """The last line that a run printed."""
    log = folder / "log"
    return (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""])[-1] if log.exists() else ""
