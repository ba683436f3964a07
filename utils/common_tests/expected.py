"""Which tests there have to be, and which of them may be skipped: a file for each model, compared at every run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from common_tests.outcomes import FAILED, PASSED, SKIPPED, Outcome


HEADER = "# {package}: transformers' own tests, and what becomes of them with transformers {version} on a CPU.\n"


def write_expected(folder: Path, package: str, version: str, outcomes: Iterable[Outcome]) -> None:
    """Write a model's file: a test in a line, with the reason where it does not simply pass.

    Args:
        folder: of these files; made where it is missing.
        package: the model's, "quality_gate_llama"; the file is called after it.
        version: of transformers, for the head of the file.
        outcomes: of its tests.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = [HEADER.format(package=package, version=version)]
    for one in sorted(outcomes, key=lambda each: each.test):
        lines.append(f"{one.test} {one.outcome}{f': {one.reason}' if one.reason else ''}\n")
    (folder / f"{package}.txt").write_text("".join(lines), encoding="utf-8")


def read_expected(folder: Path, package: str, version: str) -> Mapping[str, str] | None:
    """Test -> outcome; None where there is no file, or one of another transformers."""
    path = folder / f"{package}.txt"
    if not path.exists() or f"with transformers {version} " not in path.read_text(encoding="utf-8").partition("\n")[0]:
        return None
    return {one.test: one.outcome for one in written_outcomes(path)}


def written_outcomes(path: Path) -> list[Outcome]:
    """The outcomes that a model's file tells."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        test, _, rest = line.partition(" ")
        outcome, _, reason = rest.partition(": ")
        found.append(Outcome(path.stem, test, outcome, reason, 0.0))
    return found


def differences(expected: Mapping[str, str], outcomes: Iterable[Outcome]) -> list[str]:
    """What is not as expected, in words. That a test passes which need not is no difference: a GPU may be there."""
    seen = {one.test: one for one in outcomes}
    told = [f"{test}: expected to be {expected[test]}, was not collected" for test in expected if test not in seen]
    for test, one in seen.items():
        if one.outcome == SKIPPED and not one.reason:
            told.append(f"{test}: was skipped without a reason")
        if test not in expected:
            told.append(f"{test}: {one.outcome}, but not expected at all")
        elif one.outcome == SKIPPED and expected[test] != SKIPPED:
            told.append(f"{test}: expected to be {expected[test]}, was skipped: {one.reason}")
        elif one.outcome not in (PASSED, SKIPPED, FAILED) and one.outcome != expected[test]:
            told.append(f"{test}: expected to be {expected[test]}, was {one.outcome}: {one.reason}")
    return sorted(told)
