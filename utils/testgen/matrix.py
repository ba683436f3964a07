"""The table of what was tested: architectures by groups of tests, and every skip with its reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from naming.kinds import MEANT

from testgen.collection import Row
from testgen.local import GROUPS


HEAD = """\
# Test matrix

What `make test-matrix` saw: every test of the rendered suites of these architectures, in `tests/models/`, made from
`templates/tests/` ([tests.md](tests.md) says what is in each group). A number is how many passed; skips are listed below.

"""
EMPTY = "–"  # the architecture has no such tests, since it has nothing to test there


def matrix(rows: Sequence[Row]) -> str:
    """The page: one table of counts, one of skips."""
    groups = _groups(rows)
    cells: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cells[row.suite][row.group].append(row)
    head = ["architecture", *map(_words, groups), "all"]
    lines = [_line(head), _line(["---", *["---:"] * (len(head) - 1)])]
    for suite in sorted(cells):
        counts = [_count(cells[suite][group]) for group in groups]
        everything = [row for some in cells[suite].values() for row in some]
        lines.append(_line([f"`{suite.removeprefix(MEANT.family)}`", *counts, _count(everything)]))
    return HEAD + "\n".join([*lines, "", *_reasons(rows)]) + "\n"


def _reasons(rows: Iterable[Row]) -> list[str]:
    """Every test that did not pass, and why."""
    told = [row for row in rows if row.outcome != "passed"]
    if not told:
        return ["Nothing was skipped."]
    lines = [_line(["architecture", "test", "outcome", "reason"]), _line(["---"] * 4)]
    for row in sorted(told, key=lambda each: (each.suite, each.test)):
        suite = row.suite.removeprefix(MEANT.family)
        lines.append(_line([f"`{suite}`", f"`{row.test}`", row.outcome, row.reason or "no reason given"]))
    return lines


def _groups(rows: Iterable[Row]) -> list[str]:
    """The classes of tests there are, in the order of the templates."""
    order = {f"Test{''.join(word.title() for word in group.split('_'))}": place for place, group in enumerate(GROUPS)}
    return sorted({row.group for row in rows}, key=lambda group: (order.get(group, len(order)), group))


def _words(group: str) -> str:
    """ "TestSaveLoad" -> "save load"."""
    return "".join(
        f" {letter.lower()}" if letter.isupper() else letter for letter in group.removeprefix("Test")
    ).strip()


def _count(rows: Sequence[Row]) -> str:
    """ "7", "6, 1 skipped", "5, 1 failed"."""
    if not rows:
        return EMPTY
    outcomes = Counter(row.outcome for row in rows)
    others = [f"{number} {outcome}" for outcome, number in sorted(outcomes.items()) if outcome != "passed"]
    return ", ".join([str(outcomes["passed"]), *others])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
