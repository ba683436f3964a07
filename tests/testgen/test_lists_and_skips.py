"""Lists of tests beside their suites, marks on what is skipped, what pytest's recorder notes, and which models are meant."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from diagnostics.errors import ConversionError
from facts.peculiar import PeculiarError, Peculiarities
from naming.kinds import MEANT, GateNames
from testgen.arguments import parse
from testgen.collection import Row
from testgen.manifest import HEAD, NAME, manifest, manifests, read, running, stale, write
from testgen.mutants.apply import mutated
from testgen.mutants.cli import line
from testgen.mutants.table import model_of, mutants, table_of
from testgen.mutants.values import Mutant, SuiteResult
from testgen.recorder import VARIABLE, Recorder
from testgen.render import Flavour
from testgen.skips import mark_skips
from testgen.suites import wanted_models


ROWS = [
    Row("quality_gate_b", "TestA::test_one", "collected"),
    Row("quality_gate_a", "TestB::test_two[x-1]", "collected", "it cannot"),
    Row("quality_gate_a", "TestA::test_one", "collected"),
]


def test_a_list_has_a_line_for_each_test_in_its_order() -> None:
    assert manifest(ROWS[1:]) == HEAD + "TestB::test_two[x-1]  # skipped: it cannot\nTestA::test_one\n"
    assert manifest([]) == HEAD
    assert manifests(ROWS) == {"quality_gate_a": manifest(ROWS[1:]), "quality_gate_b": manifest(ROWS[:1])}


@pytest.mark.parametrize(
    ("text", "tests"),
    [
        (HEAD + "A::a\nA::b  # skipped: why\n\nA::c\n", {"A::a": 2, "A::c": 5}),
        ("", {}),
        (HEAD, {}),
        ("A::a[# of them]\n", {"A::a[# of them]": 1}),
        ("# A::a\nA::b", {"A::b": 2}),
    ],
)
def test_what_a_list_says_is_run_and_where(text: str, tests: dict[str, int]) -> None:
    assert running(text) == tests


def test_lists_are_compared_and_written_where_they_differ(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / NAME).write_text("same")
    (tmp_path / "b" / NAME).write_text("other")
    texts = {"c": "new", "b": "changed", "a": "same"}
    before = (tmp_path / "a" / NAME).stat().st_mtime_ns
    assert stale(texts, tmp_path) == ["b", "c"] == write(texts, tmp_path)
    assert stale(texts, tmp_path) == write(texts, tmp_path) == []
    assert [read(tmp_path / name) for name in "abcd"] == ["same", "changed", "new", ""]
    assert (tmp_path / "a" / NAME).stat().st_mtime_ns == before


SUITE = """
class TestAll:
    def test_one(self): ...

    @pytest.mark.parametrize("x", [1])
    def test_two(self, x): ...

    async def test_three(self): ...

    def test_one_more(self): ...

def helper(): ...
"""


@pytest.mark.parametrize(
    ("skip", "before"),
    [
        ({"test_one": "no"}, "    def test_one("),
        ({"test_two": "no"}, "    def test_two("),
        ({"test_three": "no"}, "    async def test_three("),
        ({"TestAll": "no"}, "class TestAll:"),
    ],
)
def test_a_mark_stands_directly_before_what_is_skipped(skip: dict[str, str], before: str) -> None:
    text = mark_skips(SUITE, Peculiarities("toy.toml", "", skip=skip))
    indent = before[: len(before) - len(before.lstrip())]
    mark = f'{indent}@pytest.mark.skip(reason="no")\n'
    assert text == SUITE.replace(before, mark + before) and text.count("skip(") == 1
    assert mark_skips(SUITE, Peculiarities()) == SUITE


@pytest.mark.parametrize("name", ["test_onne", "helper", "test_"])
def test_what_the_suite_does_not_have_cannot_be_skipped(name: str) -> None:
    text = f'[[skip]]\nwhy = "for a reason"\ntests = ["{name}"]\n'
    with pytest.raises(PeculiarError, match=rf"toy\.toml:3:\d+: stale-peculiarity: `{name}` is not a test"):
        mark_skips(SUITE, Peculiarities("toy.toml", text, skip={name: "for a reason"}))


# ---- what pytest says


def report(test: str, when: str, outcome: str, said: str = "", seconds: float = 0.5) -> Any:
    is_of = {name: outcome == name for name in ("passed", "failed", "skipped")}
    node = f"tests/models/quality_gate_a/test_x.py::{test}"
    return SimpleNamespace(nodeid=node, when=when, longrepr=("", 0, said), duration=seconds, **is_of)


def recorded(*reports: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    recorder = Recorder()
    for each in reports:
        recorder.pytest_runtest_logreport(each)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "rows"))
    recorder.pytest_sessionfinish(None)
    return [json.loads(text) for text in (tmp_path / "rows").read_text().splitlines()]


@pytest.mark.parametrize(
    ("phases", "outcome", "reason", "seconds"),
    [
        ([("setup", "passed"), ("call", "passed"), ("teardown", "passed")], "passed", "", 0.5),
        ([("setup", "failed"), ("teardown", "passed")], "failed", "while setup", 0.5),
        ([("call", "failed"), ("teardown", "failed")], "failed", "while call", 0.5),
        ([("call", "passed"), ("teardown", "failed")], "failed", "while teardown", 1.0),
        ([("setup", "skipped"), ("teardown", "passed")], "skipped", "too large", 0.5),
        ([("call", "skipped")], "skipped", "too large", 0.5),
    ],
)
def test_the_outcome_of_a_test_is_that_of_its_worst_phase(
    phases: list[tuple[str, str]],
    outcome: str,
    reason: str,
    seconds: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reports = [report("A::test_a", when, what, "Skipped: too large") for when, what in phases]
    (row,) = recorded(*reports, tmp_path=tmp_path, monkeypatch=monkeypatch)
    assert row == {
        **{"suite": "quality_gate_a", "test": "A::test_a", "outcome": outcome, "reason": reason, "seconds": seconds}
    }
    assert Row(**row).group == "A"


def test_what_is_collected_has_the_reason_of_its_first_mark() -> None:
    def item(test: str, *reasons: dict[str, str]) -> Any:
        marks = [SimpleNamespace(kwargs=each) for each in reasons]
        return SimpleNamespace(
            nodeid=f"a/b/test_x.py::{test}", iter_markers=lambda name: marks if name == "skip" else []
        )

    recorder = Recorder()
    items = [item("A::a"), item("A::b", {"reason": "one"}, {"reason": "two"}), item("A::c", {})]
    recorder.pytest_collection_finish(SimpleNamespace(items=items))
    recorder.pytest_collectreport(SimpleNamespace(failed=True, nodeid="a/c/test_y.py"))
    recorder.pytest_collectreport(SimpleNamespace(failed=False, nodeid="a/c/test_z.py"))
    assert [(row["suite"], row["test"], row["outcome"], row["reason"]) for row in recorder.rows.values()] == [
        ("b", "A::a", "collected", ""),
        ("b", "A::b", "collected", "one"),
        ("b", "A::c", "collected", ""),
        ("c", "", "failed", "while collecting"),
    ]


# ---- which models


def generated(root: Path, *packages: str) -> Path:
    for name in packages:
        (root / name).mkdir(parents=True)
        (root / name / f"modeling_{name}.py").touch()
    return root


def test_models_go_by_either_name_and_all_without_one(tmp_path: Path) -> None:
    folder = generated(tmp_path, "quality_gate_b", "quality_gate_a", "attention_gate_a", "odd_gate_a")
    assert wanted_models(["quality_gate_a", "b", "a"], folder) == ["a", "b"]
    assert wanted_models(["odd_gate_a"], folder) == ["odd_gate_a"]
    assert wanted_models([], folder) == ["a", "b", "attention_gate_a"], "not those of a kind without templates"


@pytest.mark.parametrize(
    ("names", "packages", "said"),
    [
        ([], (), "nothing-generated"),
        (["a"], (), "nothing-generated"),
        (["llana"], ("quality_gate_llama",), "did you mean `llama`?"),
        (["zz"], ("quality_gate_llama", "memory_gate_llama"), "there are llama, memory_gate_llama"),
    ],
)
def test_names_that_mean_no_model_are_refused(
    names: list[str], packages: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConversionError) as error:
        wanted_models(names, generated(tmp_path, *packages))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "say for which models"),
        ("--model a --all", "leave out --model"),
        ("--all --check --stdout", "leave out --stdout, --force"),
        ("--all --check --force", "leave out --stdout, --force"),
        ("--all --stdout --force", "nothing is written"),
        ("--all --stdout --manifest", "leave out --stdout"),
        ("--all --matrix --check", "leave out what is about writing"),
        ("--all --flavour upstream", "add --stdout"),
        ("--all --flavour downstream", "downstream"),
        ("--all --allow-fewer a", "gives no model and reason"),
        ("--all --allow-fewer a=short", "gives no model and reason"),
        ("--all --jobs many", "invalid int value"),
    ],
)
def test_words_that_contradict_each_other_are_refused(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parse(words.split())
    assert end.value.code == 2 and said in capsys.readouterr().err


def test_words_mean_what_they_say() -> None:
    args = parse(["--all", "--allow-fewer", "a= it has none = now ", "--allow-fewer", "all=because it is so"])
    assert args.allow_fewer == [("a", "it has none = now"), ("all", "because it is so")]
    assert args.flavour is Flavour.LOCAL and parse(["--all", "--check", "--manifest"]).manifest
    assert parse(["--model", "a", "--model", "b", "--flavour", "upstream", "--stdout"]).flavour is Flavour.UPSTREAM


# ---- mutants of models

MUTANT = Mutant("twice", "it is done twice", "a = 1\n", "a = 2\n", "TestA or TestB")
FILES = {"modeling_m.py": "b = 0\na = 1\n", "configuration_m.py": "a = 1\n"}


def test_a_mutant_changes_one_text_of_one_file() -> None:
    assert mutated(MUTANT, "m", FILES) == {**FILES, "modeling_m.py": "b = 0\na = 2\n"}
    assert FILES["modeling_m.py"] == "b = 0\na = 1\n"


@pytest.mark.parametrize(("old", "new", "times"), [("c = 1", "c", 0), (" ", "", 4), ("a = 1", "a = 1", 1)])
def test_a_mutant_that_changes_nothing_or_too_much_is_refused(old: str, new: str, times: int) -> None:
    with pytest.raises(ConversionError, match=rf"mutant-misses: `m` replaces what is there {times} times"):
        mutated(Mutant("m", "", old, new, ""), "m", FILES)


@pytest.mark.parametrize(
    ("status", "test", "word", "noticed"),
    [
        (1, "TestA::test_a", "noticed", True),
        (0, "", "passed", False),
        (1, "", "ended", False),
        (9, "x", "ended", False),
    ],
)
def test_a_verdict_is_a_line(status: int, test: str, word: str, noticed: bool) -> None:
    verdict = SuiteResult("twice", status, test, 1.25)
    assert verdict.noticed is noticed and line(verdict).split() == [word, "twice", "1.2", "s", *test.split()]


def test_tables_are_those_of_their_kinds() -> None:
    assert model_of(MEANT) == "llama" and table_of(MEANT).name == "llama.toml"
    assert table_of(GateNames("select")).name == "select_olmoe.toml" and model_of(GateNames("select")) == "olmoe"
    assert mutants(GateNames("nothing")) == () and len({each.name for each in mutants()}) == len(mutants()) > 50
