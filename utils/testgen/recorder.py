"""A pytest plugin (`-p testgen.recorder`) that writes what was collected, or what became of it, to $QUALITY_GATE_RECORD.

The file holds one JSON object a line: suite, test, outcome ("collected" where nothing ran), reason of a skip, seconds.
"""

from __future__ import annotations

import json
import os
from pathlib import PurePosixPath
from typing import Any


VARIABLE = "QUALITY_GATE_RECORD"


class Recorder:
    """Collects rows in the process that reports: under xdist, the one that runs no tests."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    def pytest_collection_finish(self, session: Any) -> None:
        for item in session.items:
            reasons = [mark.kwargs.get("reason", "") for mark in item.iter_markers("skip")]
            self._note(item.nodeid, "collected", *reasons[:1])

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.skipped:
            self._note(report.nodeid, "skipped", report.longrepr[2].removeprefix("Skipped: "), report.duration)
        elif report.failed:
            self._note(report.nodeid, "failed", f"while {report.when}", report.duration)
        elif report.when == "call":
            self._note(report.nodeid, "passed", "", report.duration)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._note(f"{report.nodeid}::", "failed", "while collecting")

    def pytest_sessionfinish(self, session: Any) -> None:
        with open(os.environ[VARIABLE], "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in self.rows.values())

    def _note(self, nodeid: str, outcome: str, reason: str = "", seconds: float = 0.0) -> None:
        path, _, test = nodeid.partition("::")
        before = self.rows.get(nodeid, {})
        if before.get("outcome") == "failed":  # taking down what failed may fail again
            return
        self.rows[nodeid] = {
            "suite": PurePosixPath(path).parent.name,
            "test": test,
            "outcome": outcome,
            "reason": reason,
            "seconds": before.get("seconds", 0.0) + seconds,
        }


def pytest_configure(config: Any) -> None:
    if VARIABLE in os.environ and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder())
