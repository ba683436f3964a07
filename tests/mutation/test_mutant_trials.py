"""What a run of tests says of a mutant, where tests depend on each other, are slow anyway, or end the process."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from mutation import trial
from mutation.candidates import candidates
from mutation.cli import line, report
from mutation.explained import Explained, stale, why
from mutation.pytest_runs import BEGAN, ENDED, REACHED, RUNNING, Limits, Seen, last_line, seen
from mutation.trial import Trial
from mutation.values import Mutant, MutantResult, Outcome


SOURCE = "def f(a):\n    return a < 3\n"
TEST = "tests/toy/test_toy.py::test_f"


@pytest.fixture
def mutant() -> Mutant:
    (found,) = (each for each in candidates("toy/room.py", SOURCE) if each.operator == "boundary")
    return found


Judge = Callable[..., tuple[Outcome, str, int]]


@pytest.fixture
def judge(tmp_path: Path, mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """The verdict where runs see what is given, one after the other: whole ones, and single tests beneath."""
    room = tmp_path / "scratch" / "intact" / "utils" / "toy" / "room.py"
    room.parent.mkdir(parents=True)
    room.write_text(SOURCE)

    def judged(
        *saw: tuple[Seen, int], tests: tuple[str, ...] = ("tests/toy/test_toy.py",)
    ) -> tuple[Outcome, str, int]:
        runs, asked = iter(saw), []

        def apart(
            project: Path, tests: object, folder: Path, limits: object, without: object, collecting: bool = False
        ) -> object:
            asked.append((project.name, list(tests), list(without), collecting))
            return next(runs)

        monkeypatch.setattr(trial, "_apart", apart)
        found = trial._judge(Trial(tmp_path, tmp_path / "scratch"), mutant, tests, new(tmp_path))
        assert next(runs, None) is None, "not all that was expected was run"
        judged.asked = asked
        return found

    return judged


def new(folder: Path) -> Path:
    (found := folder / f"run{len(list(folder.iterdir()))}").mkdir()
    return found


FINE = (Seen(True, passed=1, reached=True), 0)
FAILS = (Seen(True, failed=TEST, passed=4, reached=True), 0)
SLOW = (Seen(True, slow=TEST, passed=4, reached=True), 0)


def test_what_fails_with_the_mutant_and_not_without_is_noticed(judge: Judge) -> None:
    assert judge(FAILS, FINE, FAILS) == (Outcome.NOTICED, TEST, 4)
    assert [asked[:2] for asked in judge.asked] == [
        ("project", ["tests/toy/test_toy.py"]),
        ("intact", [TEST]),
        ("project", [TEST]),
    ]


def test_files_are_asked_one_after_the_other_until_one_notices(judge: Judge) -> None:
    files = ("tests/toy/test_a.py", "tests/toy/test_b.py", "tests/toy/test_c.py")
    assert judge(FINE, FAILS, FINE, FAILS, tests=files) == (Outcome.NOTICED, TEST, 5)
    over = (Seen(True, running=TEST), signal.SIGXCPU)
    assert judge(over, FINE, FINE, tests=files) == (Outcome.SURVIVED, "", 2)


def test_what_fails_without_the_mutant_is_left_out(judge: Judge) -> None:
    assert judge(FAILS, FAILS, FINE) == (Outcome.SURVIVED, "", 1)
    assert judge.asked[-1] == ("project", ["tests/toy/test_toy.py"], [TEST], False)


def test_what_fails_in_company_alone_says_nothing(judge: Judge) -> None:
    """A test that depends on those before it would blame any mutant."""
    assert judge(FAILS, FINE, FINE, FINE) == (Outcome.SURVIVED, "", 1)


def test_failures_that_mean_nothing_are_left_out_one_by_one_but_not_for_ever(judge: Judge) -> None:
    assert judge(*[FAILS, FAILS] * trial.ROUNDS) == (Outcome.SURVIVED, "", 4)
    assert [len(asked[2]) for asked in judge.asked[::2]] == list(range(trial.ROUNDS))


def test_what_is_slow_anyway_says_nothing(judge: Judge) -> None:
    assert judge(SLOW, SLOW) == (Outcome.SURVIVED, "", 4)
    assert judge(SLOW, FINE, SLOW) == (Outcome.HUNG, TEST, 4)


@pytest.mark.parametrize("ended_by", [signal.SIGALRM, signal.SIGSEGV, signal.SIGKILL, 0])
def test_a_process_that_ends_in_a_test_is_noticed(ended_by: int, judge: Judge) -> None:
    died = (Seen(True, running=TEST, reached=True), ended_by)
    assert judge(died, FINE, died) == (Outcome.HUNG, TEST, 0)
    assert judge(died, died) == (Outcome.SURVIVED, "", 0)  # it does so without the mutant as well


def test_a_run_whose_time_is_over_has_seen_what_it_has_seen(judge: Judge) -> None:
    assert judge((Seen(True, running=TEST, reached=True), signal.SIGXCPU)) == (Outcome.SURVIVED, "", 0)


def test_what_no_test_reaches_is_told_apart(judge: Judge) -> None:
    assert judge((Seen(True, passed=9), 0)) == (Outcome.UNREACHED, "", 9)
    assert judge(tests=()) == (Outcome.UNREACHED, "", 0)


def test_a_run_that_never_began_is_no_verdict(judge: Judge) -> None:
    assert judge((Seen(False), 0))[0] is Outcome.BROKEN


def test_a_file_that_cannot_be_collected_is_only_collected_again(judge: Judge) -> None:
    lost = (Seen(True, failed="tests/toy/test_toy.py"), 0)
    assert judge(lost, FINE, lost)[0] is Outcome.NOTICED
    assert [asked[3] for asked in judge.asked] == [False, True, True]


def test_what_a_run_left_is_read(tmp_path: Path) -> None:
    assert seen(tmp_path) == Seen(False) and last_line(tmp_path) == ""
    (tmp_path / BEGAN).touch()
    (tmp_path / RUNNING).write_text(TEST)
    (tmp_path / "log").write_text("first\nlast\n\n")
    assert seen(tmp_path) == Seen(True, running=TEST) and last_line(tmp_path) == "last"
    (tmp_path / REACHED).touch()
    (tmp_path / ENDED).write_text(json.dumps({"failed": TEST, "slow": "", "passed": 3}))
    assert seen(tmp_path) == Seen(True, failed=TEST, passed=3, reached=True)  # it ended, so nothing runs


@pytest.mark.parametrize(
    ("outcomes", "status", "said"),
    [
        ((Outcome.NOTICED, Outcome.HUNG), 0, "2 mutants in 9 s: 1 noticed, 1 hung; 0 of them explained, 0 holes"),
        ((Outcome.NOTICED, Outcome.SURVIVED), 1, "1 noticed, 1 survived; 0 of them explained, 1 holes"),
        (
            (Outcome.UNREACHED,),
            1,
            "the tests of toy have a hole: toy/room.py:2:14: boundary: `<` -> `<=` in f: return a < 3",
        ),
        ((Outcome.SURVIVED, Outcome.BROKEN), 2, "1 broken"),
        ((), 2, "0 mutants in 9 s: none"),
    ],
)
def test_the_exit_status_is_that_of_the_worst(
    outcomes: tuple[Outcome, ...], status: int, said: str, mutant: Mutant, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report([MutantResult(mutant, each, 1, 1.0) for each in outcomes], 9.2) == status
    assert said in capsys.readouterr().out


def test_a_line_says_what_decided(mutant: Mutant) -> None:
    assert line(MutantResult(mutant, Outcome.NOTICED, 4, 2.0, TEST)).endswith(f"`<` -> `<=`  {TEST}")
    assert line(MutantResult(mutant, Outcome.SURVIVED, 4, 2.0)).endswith("  4 tests pass")
    assert line(MutantResult(mutant, Outcome.SURVIVED, 4, 2.0, why="the same")).endswith("  explained: the same")


def test_a_row_explains_its_own_mutant_alone(mutant: Mutant) -> None:
    row = Explained("toy/room.py", "return a < 3", "return a <= 3", "nobody asks about three")
    assert why([row], mutant) == "nobody asks about three" and why([], mutant) == ""
    others = [each for each in candidates("toy/room.py", SOURCE) if each != mutant]
    assert others and not any(why([row], each) for each in others)
    assert stale([row], {"toy/room.py": SOURCE}) == []
    for modules in ({"toy/room.py": SOURCE.replace("3", "4")}, {"other/room.py": SOURCE}):
        assert [each.code for each in stale([row], modules)] == ["stale-explanation"]


def test_a_row_tells_mutants_of_one_line_apart() -> None:
    source = "def f(a):\n    return a.cut(1, 1)\n"
    first, second = (each for each in candidates("toy/room.py", source) if each.operator == "constant")
    assert (first.becomes, second.becomes) == ("return a.cut(2, 1)", "return a.cut(1, 2)")
    row = Explained("toy/room.py", "return a.cut(1, 1)", "return a.cut(1, 2)", "nobody asks about that one")
    assert row.fits(second) and not row.fits(first)


def test_limits_are_less_for_a_test_than_for_all() -> None:
    assert Limits().test < Limits().run
