"""One architecture's tests in a process of its own, forked from one that has torch and transformers loaded already.

The one room of this package that imports torch.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from facts.values import ModelFacts
from files.writing import write_text
from naming.kinds import MEANT
from processes.spread import spread

import transformers.modeling_utils  # noqa: F401  so that forked processes need not import them
from matrix.values import Subset, Tally


BROKEN = "the process"  # named instead of a test where it was not the model that failed
_GATE = MEANT.weight
_OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-o", "addopts=", "--tb=short")


@dataclass(frozen=True, slots=True)
class Job:
    """What a process is to run."""

    project: Path  # what `generated` is imported from
    facts: ModelFacts
    tests: Path  # a folder of them
    subset: Subset
    log: Path  # for what pytest prints
    limit: float  # seconds


def run(job: Job) -> Tally:
    """Run the tests of one architecture, and count gates at its default configuration."""
    found = job.log.with_suffix(".found")
    found.parent.mkdir(parents=True, exist_ok=True)
    found.unlink(missing_ok=True)
    [done] = spread(lambda _: _write(job, found), ["tests"], 1, job.limit)
    said = found.read_text(encoding="utf-8") if found.exists() else ""
    found.unlink(missing_ok=True)
    return replace(_read(said, job), seconds=round(done.seconds, 1), subset=job.subset.value)


def _read(said: str, job: Job) -> Tally:
    try:
        found = json.loads(said)
        return Tally(**{**found, "failures": tuple(map(tuple, found["failures"]))})
    except ValueError:
        return Tally(failures=((BROKEN, f"ended without a word, or took longer than {job.limit:.0f} s"),))


def _write(job: Job, found: Path) -> None:
    """The life of the forked process: what was found is in a file, whole or not at all."""
    log = os.open(job.log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.path.insert(0, str(job.project))
    os.chdir(job.project)
    write_text(found, json.dumps(_tests(job)))


@dataclass(eq=False)  # plugins are kept in sets
class _Counter:
    """Listens to pytest."""

    passed: int = 0
    skipped: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failures.append((report.nodeid.partition("::")[2], _last_line(report.longreprtext)))
        elif report.skipped:
            self.skipped += 1
        elif report.when == "call":
            self.passed += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failures.append(("collection", _last_line(report.longreprtext)))


def _last_line(text: str) -> str:
    """What an error says: the last line of its own in a report."""
    own = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    return (own[0] if own else text.strip().rpartition("\n")[2])[:200]


def _tests(job: Job) -> dict[str, Any]:
    counter = _Counter()
    chosen = ["-m", "fast"] if job.subset is Subset.FAST else []
    status = pytest.main([str(job.tests), "--rootdir", str(job.tests.parent), *_OPTIONS, *chosen], plugins=[counter])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not counter.failures:
        counter.failures.append((BROKEN, f"pytest ended with {status!r}: see {job.log}"))
    layers, parameters = _measured(job.facts)
    return {**asdict(counter), "layers": layers, "parameters": parameters}


def _measured(facts: ModelFacts) -> tuple[int | None, int | None]:
    """Layers with a gate, and the gates' parameters, at the default configuration; None where that builds no model."""
    try:
        package = importlib.import_module(f"generated.{facts.package}")
        head = facts.causal_lm or facts.text_model
        with torch.device("meta"):
            model = getattr(package, head.name)(getattr(package, head.config)())
    except Exception as error:  # a default configuration may describe nothing that can be built
        print(f"not measured: {type(error).__name__}: {error}")
        return None, None
    names = [name for name, _ in model.named_parameters(remove_duplicate=False) if name.endswith(_GATE)]
    sizes = [weight.numel() for name, weight in model.named_parameters() if name.endswith(_GATE)]
    return len(names), sum(sizes)  # layers may share a gate
