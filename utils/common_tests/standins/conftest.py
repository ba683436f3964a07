"""Stands in for transformers' conftest.py, of this project's own writing: its markers, and what became of each test."""

from __future__ import annotations

import json
import os
import sys

import pytest


OUTCOMES = "UPSTREAM_TESTS_OUTCOMES"  # the file to write them to
DISTRIBUTED = "UPSTREAM_TESTS_DISTRIBUTED"  # whether tests of several processes run for every model
_MARKERS = (
    *("accelerate_tests", "flash_attn_test", "flash_attn_3_test", "flash_attn_4_test", "torch_compile_test"),
    *("is_staging_test", "is_pipeline_test", "is_training_test", "is_tensor_parallel_test"),
    *("is_expert_parallel_test", "is_fsdp_test", "generate", "slow", "order", "all_flash_attn_test"),
)


def pytest_configure(config: pytest.Config) -> None:
    for name in _MARKERS:
        config.addinivalue_line("markers", f"{name}: used by transformers")
    if OUTCOMES in os.environ and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Outcomes(os.environ[OUTCOMES]))


def pytest_collection_finish() -> None:
    """transformers runs tests of several processes for a few of its own models, unless told otherwise in this way."""
    if DISTRIBUTED in os.environ:
        for kind, module in (("TP", "tensor_parallel"), ("EP", "expert_parallel"), ("FSDP", "fsdp")):
            mixin = sys.modules.get(f"tests.test_{module}_mixin")
            if mixin:
                setattr(mixin, f"{kind}_DISTRIBUTED_TEST_MODEL_TYPES", None)


class _Outcomes:
    def __init__(self, path: str) -> None:
        self.path = path
        self.tests = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test fails where any of its parts does, and is skipped where it says so itself, not in a subtest."""
        test = self.tests.setdefault(report.nodeid, {"outcome": "", "reason": "", "seconds": 0.0})
        test["seconds"] += report.duration
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            test.update(outcome="failed", reason=crash.message if crash else str(report.longrepr))
        elif test["outcome"] != "failed" and not hasattr(report, "context"):
            if report.skipped:
                test.update(outcome="skipped", reason=report.longrepr[2].removeprefix("Skipped: "))
            elif report.when == "call":
                test.update(outcome="passed")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.tests[report.nodeid] = {"outcome": "failed", "reason": str(report.longrepr), "seconds": 0.0}

    def pytest_sessionfinish(self) -> None:
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(self.tests, file)
