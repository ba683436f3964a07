"""The list of a suite's tests, kept beside it: a test that disappears, or is skipped, is a difference to look at."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from testgen.collection import Row


NAME = "expected_tests.txt"
HEAD = (
    "# What pytest collects here, and why it skips what it skips: `python utils/test_generator.py --all --manifest`.\n"
)
SKIPPED = "  # skipped: "


def manifest(rows: Iterable[Row]) -> str:
    """The text of one suite's manifest."""
    return HEAD + "".join(f"{each.test}{SKIPPED + each.reason if each.reason else ''}\n" for each in rows)


def manifests(rows: Iterable[Row]) -> dict[str, str]:
    """The text of every suite's manifest, by suite."""
    ordered = sorted(rows, key=lambda each: each.suite)  # stable: tests keep their order
    return {suite: manifest(some) for suite, some in groupby(ordered, key=lambda each: each.suite)}


def running(text: str) -> dict[str, int]:
    """The tests that a manifest says are run, not skipped: each with its line, counted from 1."""
    lines = enumerate(text.splitlines(), 1)
    return {line: number for number, line in lines if line and SKIPPED not in line and not line.startswith("#")}


def stale(texts: dict[str, str], folder: Path) -> list[str]:
    """The suites whose manifest in `folder`/<suite>/ says something else, sorted."""
    return sorted(suite for suite, text in texts.items() if read(folder / suite) != text)


def write(texts: dict[str, str], folder: Path) -> list[str]:
    """Bring manifests up to date; the suites whose manifest changed, sorted."""
    changed = stale(texts, folder)
    for suite in changed:
        (folder / suite / NAME).write_text(texts[suite], encoding="utf-8")
    return changed


def read(suite: Path) -> str:
    """The text of the manifest in a suite's folder; "" where there is none."""
    path = suite / NAME
    return path.read_text(encoding="utf-8") if path.is_file() else ""
