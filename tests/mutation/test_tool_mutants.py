"""Mutation testing of the tools tells what a test notices, what none does, what is explained and what hangs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from diagnostics.errors import ConversionError
from mutation.candidates import candidates, is_python
from mutation.cli import main
from mutation.explained import read_table, stale
from mutation.nearest import Nearness
from mutation.operators import OPERATORS, changed
from mutation.probe import CALL, probed
from mutation.pytest_runs import IMPORTED_BEFORE, surroundings
from mutation.sampling import LEAST, quotas, ranked, sample
from mutation.values import Mutant, MutantResult, Outcome
from mutation.workspace import copied, utils_of
from places import HOME


def made(source: str) -> set[tuple[str, str]]:
    """Operator and text of each mutant that is Python."""
    return {
        (each.operator, changed(source.encode(), each.edit).decode())
        for each in candidates("thing/room.py", source)
        if is_python(source, each)
    }


@pytest.mark.parametrize(
    ("operator", "before", "after"),
    [
        ("comparison", "x = a == b", "x = a != b"),
        ("comparison", "x = a is  not b", "x = a is b"),
        ("comparison", "x = a not in b", "x = a in b"),
        ("comparison", "x = a < b <= c", "x = a < b > c"),
        ("boundary", "x = (a) < (b)", "x = (a) <= (b)"),
        ("boundary", "x = a >= b", "x = a > b"),
        ("connective", "x = a and (b or c)", "x = a or (b or c)"),
        ("connective", "x = a and (b or c)", "x = a and (b and c)"),
        ("negation", "x = not (a)", "x = (a)"),
        ("condition", "x = a if b else c", "x = a if not (b) else c"),
        ("condition", "x = [a for a in b if a]", "x = [a for a in b if (True or a)]"),
        ("condition", "while a:\n    b()", "while not (a):\n    b()"),
        ("arithmetic", "x = a + b", "x = a - b"),
        ("arithmetic", "x = a | b", "x = a & b"),
        ("constant", "x = 3", "x = 4"),
        ("constant", "x = 0.0", "x = 1.0"),
        ("constant", "def f(a=True):\n    g()", "def f(a=False):\n    g()"),
        ("word", "x = a == 'b'", "x = a == 'b?'"),
        ("word", "x = a['ä'] + 'c'", "x = a['ä?'] + 'c'"),
        ("word", "x = a.split(':')", "x = a.split(':?')"),
        ("default", "def f(a='b', *, c=None):\n    g()", "def f(a='b?', *, c=None):\n    g()"),
        ("called", "x = sorted(a)", "x = list(a)"),
        ("called", "x = any(b(a).startswith(c))", "x = any(b(a).endswith(c))"),
        ("statement", "def f(a):\n    a.append(1)\n    return a", "def f(a):\n    pass\n    return a"),
        ("statement", "a[b] = c", "pass"),
        ("leaving", "def f(a):\n    if a:\n        return 1", "def f(a):\n    if a:\n        pass"),
        ("leaving", "if a:\n    raise b", "if a:\n    pass"),
        ("element", "x = ('a', 'b', 'c')", "x = ('b', 'c')"),
    ],
)
def test_each_operator_makes_its_change(operator: str, before: str, after: str) -> None:
    assert (operator, after) in made(before)


def test_every_operator_has_a_case() -> None:
    (cases,) = (mark for mark in test_each_operator_makes_its_change.pytestmark if mark.name == "parametrize")
    assert {operator for operator, *_ in cases.args[1]} == set(OPERATORS)


@pytest.mark.parametrize(
    "source",
    [
        '"""More than 3 of 4."""',
        "from a import b",
        "def f(x: 'a' = None) -> 3:\n    g()",
        "raise Problem(a == 3)",
        "assert a == 3",
        "print(a < 3)",
        "x = f'{a + 3}'",
        "if __name__ == '__main__':\n    f(3)",
        "x = sorted(a, key=b)",
        "x = a  # not 3",
        "x = (a  # is it == b\n     == b)",
        "x = (a ==  # it is\n     b)",
    ],
)
def test_what_nobody_would_test_is_left_alone(source: str) -> None:
    assert made(source) == set()


def test_a_mutant_says_where_it_is_and_what_it_does() -> None:
    source = "class A:\n    def f(self):\n        x = 'ä' if self < 3 else None\n"
    (mutant,) = (each for each in candidates("thing/room.py", source) if each.operator == "boundary")
    assert str(mutant) == "thing/room.py:3:26: boundary: `<` -> `<=`"
    assert (mutant.scope, mutant.text, mutant.package) == ("A.f", "x = 'ä' if self < 3 else None", "thing")


def all_of(source: str, file: str = "thing/room.py") -> list[Mutant]:
    return candidates(file, source)


FUNCTIONS = "\n".join(f"def f{number}(a):\n    return a < {number}\n" for number in range(9))


def test_samples_are_repeatable_and_other_seeds_give_others() -> None:
    first, again, other = (sample(all_of(FUNCTIONS), {"thing": 4}, seed, lambda mutant: True) for seed in (1, 1, 2))
    assert first == again != other
    assert len({mutant.scope for mutant in first}) == len(first) == 4


def test_a_sample_stays_when_code_around_it_changes_or_moves() -> None:
    moved = [each.text for each in ranked(all_of(f"import os\n\n{FUNCTIONS}", "other/place.py"), 1)]
    assert moved == [each.text for each in ranked(all_of(FUNCTIONS), 1)]


def test_what_is_no_python_is_in_no_sample() -> None:
    assert sample(all_of(FUNCTIONS), {"thing": 4}, 1, lambda mutant: mutant.operator == "constant")
    assert not sample(all_of(FUNCTIONS), {"thing": 4}, 1, lambda mutant: False)


def test_small_packages_have_their_share() -> None:
    assert quotas({"large": 10_000, "middle": 2_500, "tiny": 1}, 30) == {"large": 20, "middle": 10, "tiny": LEAST}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""What."""\nimport os\nx = 3\n', '"""What."""\nCALL\nimport os\nx = 3\n'),
        ("from __future__ import annotations\nx = 3\n", "from __future__ import annotations\nCALL\nx = 3\n"),
        ("def f():\n    '''Doc.'''\n    return 3\n", "def f():\n    '''Doc.'''\n    CALL\n    return 3\n"),
        (
            "def f(a=3):\n    @b\n    def g():\n        c()\n",
            "def f(a=3):\n    CALL\n    @b\n    def g():\n        c()\n",
        ),
        ("def f():\n    def g():\n        return 3\n", "def f():\n    def g():\n        CALL\n        return 3\n"),
    ],
)
def test_a_function_tells_when_it_begins(source: str, found: str) -> None:
    assert probed(source, source.index("3")).replace(CALL, "CALL") == found


def test_tests_are_chosen_by_imports_own_ones_first(tmp_path: Path) -> None:
    for name, text in {
        "utils/a/low.py": "",
        "utils/a/high.py": "from a import low",
        "utils/tool.py": "from command import run\nrun('a.high')",
        "utils/a/alone.py": "",
        "tests/helper.py": "import a.low",
        "tests/a/test_far.py": "from a.high import thing",
        "tests/a/test_near.py": "def f():\n    from a.low import thing",
        "tests/a/test_patched.py": "monkeypatch.setattr('a.low.thing', 3)  # longer than the one above, by this",
        "tests/b/test_helped.py": "from helper import thing",
        "tests/b/test_script.py": "SCRIPT = 'utils/tool.py'",
        "tests/b/test_other.py": "import b",
        "tests/models/m/test_m.py": "import a.low",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    nearness = Nearness(tmp_path)
    own = ["tests/a/test_near.py", "tests/a/test_patched.py", "tests/a/test_far.py"]
    assert nearness.tests_of("a/low.py") == [*own, "tests/b/test_helped.py", "tests/b/test_script.py"]
    assert nearness.tests_of("a/alone.py") == [own[2], own[0], own[1]]  # by size, where nothing imports it
    assert nearness.tests_of("b/alone.py")[0].startswith("tests/b/")


ROOM = """
import time

def largest(numbers):
    found = 0
    for number in numbers:
        if number > found:
            found = number
    return found

def below(limit):
    number = 0
    while number < limit:
        number += 1
    return number

def unused(number):
    return number + 1
"""
TESTS = """
import time
from toy.room import below, largest

def test_largest():
    assert largest([2, 3, 1]) == 3

def test_below():
    assert below(3) == 3

def test_that_fails_anyway():
    assert largest([1]) == 2
"""
SAME = '[[mutant]]\nfile = "toy/room.py"\ntext = "if number > found:"\nbecomes = "if number >= found:"\nwhy = "%s"\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one package and its tests."""
    root = tmp_path / "project"
    for name, text in {
        "utils/toy/__init__.py": "",
        "utils/toy/room.py": ROOM,
        "tests/toy/test_room.py": TESTS,
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["utils"]\n',
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def run(project: Path, *arguments: str, table: str = "") -> tuple[int, str]:
    """Exit status and what was printed, in a process of its own, which imports no torch."""
    (project.parent / "table.toml").write_text(table)
    code = (
        "import sys; from pathlib import Path; from mutation import cli; cli.preload = lambda: None;"
        "sys.exit(cli.main(sys.argv[3:], Path(sys.argv[1]), Path(sys.argv[2])))"
    )
    table_file = str(project.parent / "table.toml")
    command = [sys.executable, "-c", code, str(project), table_file, "--seconds", "9", *arguments]
    done = subprocess.run(command, cwd=HOME / "utils", capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def test_a_mutant_is_noticed_or_survives_or_is_reached_by_no_test(project: Path) -> None:
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    status, said = run(project, "--at", "toy/room.py:7", "--at", "toy/room.py:18")
    assert status == 1
    assert re.search(
        r"^noticed .*room.py:7:19: comparison: `>` -> `<=`  tests/toy/test_room.py::test_largest$", said, re.M
    )
    assert re.search(r"^survived .*room.py:7:19: boundary: `>` -> `>=`  2 tests pass$", said, re.M)
    assert re.search(r"^unreached .*room.py:18:19: arithmetic", said, re.M)
    assert (
        "the tests of toy have a hole: toy/room.py:7:19: boundary: `>` -> `>=` in largest: if number > found:" in said
    )
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


def test_a_mutant_whose_tests_hang_is_noticed(project: Path) -> None:
    status, said = run(project, "--at", "toy/room.py:14", "--seconds", "3")
    assert re.search(r"^hung .*room.py:14:9: statement: `number \+= 1` -> `pass`", said, re.M), said
    assert status == 0


def test_a_mutant_whose_tests_wait_is_noticed(project: Path) -> None:
    """No processor's time runs then."""
    (project / "utils" / "toy" / "room.py").write_text(
        "import time\n\ndef wait(long):\n    time.sleep(0 if long < 1 else 900)\n"
    )
    (project / "tests" / "toy" / "test_room.py").write_text(
        "from toy.room import wait\n\ndef test_wait():\n    wait(0)\n"
    )
    status, said = run(project, "--at", "toy/room.py:4", "--seconds", "1")
    assert status == 1 and re.search(
        r"^hung .*room.py:4:26: comparison: `<` -> `>=`  tests/toy/test_room.py::test_wait", said, re.M
    ), said


def test_a_mutant_that_cannot_be_imported_is_noticed(project: Path) -> None:
    (project / "utils" / "toy" / "room.py").write_text(
        "NAMES = ('a', 'b', 'c')\nassert len(NAMES) == 3\nlargest = below = max\n"
    )
    status, said = run(project, "--at", "toy/room.py:1")
    assert status == 0 and re.search(r"^noticed .*room.py:1:10: element: .*  tests/toy/test_room.py$", said, re.M), (
        said
    )


REACHING_OUT = """
import os, subprocess
from pathlib import Path

def write(number):
    assert not subprocess.run(["git", "config", "alias.broken", str(number)]).returncode is None
    git = subprocess.run(["git", "rev-parse", "--git-dir"], capture_output=True, text=True)
    Path.home().joinpath("written").write_text("")
    subprocess.run(["git", "config", "--global", "alias.broken", str(number)])
    assert git.returncode, git.stdout
    return number + 1
"""


def test_a_broken_tool_finds_no_repository_and_no_home(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home := project.parent / "home").mkdir()
    for name, value in {"HOME": home, "GIT_DIR": project / ".git", "GIT_CONFIG_GLOBAL": home / "gitconfig"}.items():
        monkeypatch.setenv(name, str(value))
    subprocess.run(["git", "init", "--quiet", str(project)], check=True)
    before = (project / ".git" / "config").read_bytes()
    (project / "utils" / "toy" / "room.py").write_text(REACHING_OUT)
    (project / "tests" / "toy" / "test_room.py").write_text(
        "from toy.room import write\n\ndef test_write():\n    assert write(1) == 2\n"
    )
    status, said = run(project, "--at", "toy/room.py:11")
    assert (status, said.count("noticed  ")) == (0, 2), said
    assert (project / ".git" / "config").read_bytes() == before and list(home.iterdir()) == []


def test_all_that_a_run_writes_goes_to_its_folder(tmp_path: Path) -> None:
    given = surroundings(tmp_path / "copy", tmp_path / "run")
    assert {given[name] for name in ("HOME", "TMPDIR")} == {str(tmp_path / "run")}
    for name in ("XDG_CACHE_HOME", "QUALITY_GATE_CACHE_DIR", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        assert given[name].startswith(given["HOME"] + os.sep)


def test_an_explained_mutant_is_no_hole(project: Path) -> None:
    reason = "the same number once more"
    status, said = run(project, "--at", "toy/room.py:7", table=SAME % reason)
    assert status == 0 and f"explained: {reason}" in said and "1 of them explained, 0 holes" in said


def test_an_explanation_of_what_is_no_longer_there_is_refused(project: Path) -> None:
    room = project / "utils" / "toy" / "room.py"
    room.write_text(room.read_text().replace("number > found", "found < number"))
    status, said = run(project, "--list", table=SAME % "the same number once more")
    assert status == 2 and "stale-explanation: toy/room.py has no `if number > found:`" in said


@pytest.mark.parametrize("table", [SAME % "so", SAME.replace("why", "because") % "the same number once more", "[["])
def test_a_table_without_reasons_is_refused(table: str, project: Path) -> None:
    status, said = run(project, "--list", table=table)
    assert status == 2 and "bad-explanation" in said


@pytest.mark.parametrize(
    "named", [["--package", "toi"], ["--file", "toy/rooms.py"], ["--at", "toy/room.py:1"], ["--at", "x"]]
)
def test_what_cannot_be_broken_is_refused(named: list[str], project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(named, project) == 2
    assert f"unknown-mutant: there is nothing to break in `{named[1]}`" in capsys.readouterr().out


def test_a_copy_has_no_caches_and_no_links(project: Path, tmp_path: Path) -> None:
    (project / ".git").mkdir()
    (project / "link").symlink_to(tmp_path)
    assert sorted(path.name for path in copied(project, tmp_path / "copy").iterdir()) == [
        "pyproject.toml",
        "tests",
        "utils",
    ]


def test_tests_that_a_package_brings_are_not_broken(project: Path) -> None:
    (project / "utils" / "toy" / "test_brought.py").write_text("assert 1 < 2\n")
    assert sorted(utils_of(project)) == ["toy/__init__.py", "toy/room.py"]


def test_the_sample_has_mutants_of_every_package_with_code_and_the_table_fits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    modules = utils_of(HOME)
    assert stale(read_table(), modules) == []
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    with_code = {file.partition("/")[0] for file, source in modules.items() if candidates(file, source)}
    assert {place.partition("/")[0] for place in listed} == with_code and len(listed) >= 60


def test_no_row_of_the_table_is_without_a_reason(tmp_path: Path) -> None:
    (table := tmp_path / "table.toml").write_text(SAME % "")
    with pytest.raises(ConversionError, match="has no reason"):
        read_table(table)


def test_nothing_of_the_tools_is_imported_before() -> None:
    tools = {path.stem for path in (HOME / "utils").iterdir()}
    assert not tools & {name.partition(".")[0] for name in IMPORTED_BEFORE}


def test_a_verdict_is_a_hole_unless_it_is_explained() -> None:
    (mutant,) = (each for each in candidates("a/b.py", "x = 1 < y") if each.operator == "boundary")
    assert (
        MutantResult(mutant, Outcome.UNREACHED, 0, 0.0).is_hole
        and not MutantResult(mutant, Outcome.HUNG, 1, 1.0).is_hole
    )
    assert not MutantResult(mutant, Outcome.SURVIVED, 1, 1.0, why="nobody sees it").is_hole
