"""Tables of outcomes, as text and in the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from common_tests.outcomes import FAILED, PASSED, SKIPPED, Outcome, counts, group


BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"


def by_package(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes of each model, models sorted."""
    found: dict[str, list[Outcome]] = {}
    for one in outcomes:
        found.setdefault(one.package, []).append(one)
    return dict(sorted(found.items()))


def summary(outcomes: Iterable[Outcome], texts: Mapping[str, Sequence[str]]) -> str:
    """What to print at the end.

    Args:
        texts: for each model, how its tests differ from those that are expected.
    """
    lines = []
    for package, tests in by_package(outcomes).items():
        told = ", ".join(f"{number} {name}" for name, number in counts(tests).items() if number or name == PASSED)
        lines.append(f"{package}: {told} in {sum(one.seconds for one in tests):.0f} s")
        lines += [
            f"  {one.outcome}: {one.test}\n    {one.reason}" for one in tests if one.outcome not in (PASSED, SKIPPED)
        ]
        lines += [f"  not as expected: {text}" for text in texts.get(package, ())]
    return "\n".join(lines)


def succeeded(outcomes: Iterable[Outcome], texts: Mapping[str, Sequence[str]]) -> bool:
    """Whether some test ran, none failed that the base passes, and all is as expected."""
    outcomes = list(outcomes)
    ran = any(one.outcome == PASSED for one in outcomes)
    return ran and not any(texts.values()) and all(one.outcome != FAILED for one in outcomes)


def markdown(outcomes: Iterable[Outcome]) -> str:
    """The counts of each model, and why tests are skipped."""
    models = by_package(outcomes)
    rows = [["model", *counts([])]]
    rows += [[name, *(str(number) for number in counts(tests).values())] for name, tests in models.items()]
    reasons = {name: [group(one.reason) for one in tests if one.outcome == SKIPPED] for name, tests in models.items()}
    kinds = sorted({kind for found in reasons.values() for kind in found})
    skips = [["skipped because it", *models]]
    skips += [[kind, *(str(found.count(kind)) for found in reasons.values())] for kind in kinds]
    return f"{_table(rows)}\n{_table(skips)}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] + ["---:"] * (len(head) - 1), *body)]
    return "\n".join(lines) + "\n"


def write_table(document: Path, table: str) -> None:
    """Put a table between the two marks of a document."""
    text = document.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    document.write_text(f"{before}{BEGIN}{table}{END}{rest.partition(END)[2]}", encoding="utf-8")


def read_table(document: Path) -> str:
    """What stands between the two marks."""
    found = re.search(f"{BEGIN}(.*?){END}", document.read_text(encoding="utf-8"), re.DOTALL)
    return found[1] if found else ""
