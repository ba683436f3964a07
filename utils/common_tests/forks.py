"""The tests of many models: one process loads torch and transformers, and each model's tests run in a fork of it.

It runs as `python -m common_tests.forks` in a workspace, whose transformers it has to find first (`common_tests.many`).
In: a JSON object on standard input. Out: the name of each model that is done, a line each; outcomes lie in files.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from facts.project import facts_of
from files.writing import write_text
from processes.spread import forked, spread
from testgen.pull_request import suite_path

from common_tests.outcomes import Outcome, read_outcomes
from common_tests.problems import SuiteError
from common_tests.runner import OPTIONS, OUTCOMES, mark_inherited


LOGS = "logs"
# What tests import one by one otherwise, each model's anew.
_SHARED = ("tests.causal_lm_tester", "transformers.modeling_utils", "torch._dynamo", "torch.export")


def main() -> int:
    """Serve one request; the exit status."""
    asked = json.load(sys.stdin)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for module in _SHARED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # a collection in a fork would otherwise copy every shared page
    root, generated = Path.cwd(), Path(asked["generated"])
    for done in spread(lambda name: _test(root, generated, name), asked["names"], asked["processes"], asked["limit"]):
        print(done.name, flush=True)
    return 0


def _test(root: Path, generated: Path, name: str) -> None:
    """Run the tests of one model, and leave their outcomes in a file; none where pytest broke down."""
    facts = facts_of(name, generated)
    (root / LOGS).mkdir(exist_ok=True)
    log = os.open(root / LOGS / f"{facts.package}.txt", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    outcomes = _in_fork(root, [suite_path(facts)])
    outcomes = mark_inherited(root, outcomes, {facts.package: facts}, lambda nodes: _in_fork(root, nodes))
    (root / "outcomes").mkdir(exist_ok=True)
    write_text(root / "outcomes" / f"{name}.json", json.dumps([asdict(one) for one in outcomes]))


def _in_fork(root: Path, nodes: Sequence[str]) -> list[Outcome]:
    """What became of test files or single tests, from a process that leaves nothing behind in this one."""
    written = root / f"outcomes-{os.getpid()}.json"

    def run() -> None:
        os.environ[OUTCOMES] = str(written)
        sys.exit(int(pytest.main([*OPTIONS, *nodes])))

    status = forked(run)
    if status not in (0, 1, 2) or not written.exists():
        raise SuiteError(f"pytest ended with {status}", f"see what it printed in {root / LOGS}")
    outcomes = read_outcomes(written)
    written.unlink()
    return outcomes


if __name__ == "__main__":
    raise SystemExit(main())
