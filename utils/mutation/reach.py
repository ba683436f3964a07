"""Which tests run which function: functions that hold mutants tell, once, in a run without any mutant."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from mutation.operators import Text


TELLER = "told_to_mutation"  # the package, put beside the packages of the copy, that probed functions call
LOG = "TOLD_TO_MUTATION"  # the variable that names the file it writes to
WHOLE_FILE = ""  # in place of a test: whatever a file's tests are, importing or a fixture reached it
TELLER_TEXT = f'''"""Writes down which test came by."""
import os
_told = set()
_open, _write, _close = os.open, os.write, os.close  # tests put others in their place

def tell(number):
    said = f"{{number}}\\t{{os.environ.get('PYTEST_CURRENT_TEST', '')}}\\n"
    log = os.environ.get("{LOG}")
    if log and said not in _told:
        _told.add(said)
        file = _open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        _write(file, said.encode())
        _close(file)
'''


def probed(source: str, places: Mapping[int, int]) -> str:
    """A module whose functions tell when they run.

    Args:
        source: its text.
        places: a number -> a byte: it is told when the function around that begins; outside of functions, when the
            module is imported.
    """
    text = Text(source)
    wanted: dict[int, list[int]] = {}
    for number, offset in places.items():
        function = _function_around(text, offset)
        wanted.setdefault(_begin(text, function or text.tree), []).append(number)
    data = text.data
    for start in sorted(wanted, reverse=True):
        calls = "; ".join(f'__import__("{TELLER}").tell({number})' for number in sorted(wanted[start]))
        line, column = text.place(start)
        data = data[:start] + f"{calls}\n{' ' * (column - 1)}".encode() + data[start:]
    return data.decode()


def is_in_function(source: str, offset: int) -> bool:
    """Whether a byte of a module is inside a function, and so runs when that is called."""
    return _function_around(Text(source), offset) is not None


def _function_around(text: Text, offset: int) -> ast.FunctionDef | None:
    """The innermost one."""
    found = None
    for node in ast.walk(text.tree):  # outer nodes come first
        if isinstance(node, ast.FunctionDef) and text.start(node) <= offset < text.end(node):
            found = node
    return found


def _begin(text: Text, block: ast.FunctionDef | ast.Module) -> int:
    """Where the first statement begins that a call may stand before; behind a docstring's end where there is no other."""

    def must_come_first(node: ast.stmt) -> bool:
        documents = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        return documents or (isinstance(node, ast.ImportFrom) and node.module == "__future__")

    first = list(takewhile(must_come_first, block.body))
    after = block.body[len(first)] if len(first) < len(block.body) else first[-1]
    decorators = getattr(after, "decorator_list", ())
    return min([text.start(after), *(text.start(each) - 1 for each in decorators)])


@dataclass(frozen=True)
class Reach:
    """What a run without mutants told: how long tests take, which fail, and which run which mutant's function."""

    seconds: Mapping[str, float] = field(default_factory=dict)  # of each test, "tests/facts/test_x.py::test_y[z]"
    failed: frozenset[str] = frozenset()
    by_number: Mapping[int, frozenset[str]] = field(default_factory=dict)

    def chosen(self, number: int, folder: str, limit: float) -> tuple[str, ...]:
        """The tests to run against a mutant: those of its package's folder first, then quick ones, for `limit` seconds."""
        able = [test for test in self.by_number.get(number, ()) if test not in self.failed and test in self.seconds]
        able.sort(key=lambda test: (not test.startswith(folder), self.seconds[test], test))
        total, taken = 0.0, []
        for test in able:
            total += self.seconds[test]
            if taken and total > limit:
                break
            taken.append(test)
        files = list(dict.fromkeys(test.partition("::")[0] for test in taken))
        return tuple(sorted(taken, key=lambda test: files.index(test.partition("::")[0])))

    def expected(self, tests: Iterable[str]) -> float:
        """Seconds that tests took."""
        return sum(self.seconds[test] for test in tests)


def read_reach(logs: Sequence[tuple[str, Sequence[str], str]], at_import: Iterable[int]) -> Reach:
    """What runs of test files told.

    Args:
        logs: of each file its path, the lines "outcome, tab, seconds, tab, test" of its tests, and what its process and
            those below it told: lines "number, tab, test (phase)".
        at_import: the numbers told when a module is imported, which any test of the file then depends on.
    """
    seconds: dict[str, float] = {}
    failed: set[str] = set()
    reached: dict[int, set[str]] = {}
    whole = set(at_import)
    for path, lines, told in logs:
        own = []
        for outcome, spent, test in (line.split("\t", 2) for line in lines):
            own.append(test)
            seconds[test] = seconds.get(test, 0.0) + float(spent)
            failed |= {test} if outcome == "failed" else set()
        for number, test in _tellings(told):
            everywhere = number in whole or test == WHOLE_FILE
            reached.setdefault(number, set()).update(own if everywhere else [test])
    return Reach(seconds, frozenset(failed), {number: frozenset(tests) for number, tests in reached.items()})


def _tellings(told: str) -> Iterator[tuple[int, str]]:
    for line in told.splitlines():
        number, _, said = line.partition("\t")
        test, _, phase = said.rpartition(" ")
        yield int(number), test if phase == "(call)" else WHOLE_FILE  # a fixture's other tests need it as well
