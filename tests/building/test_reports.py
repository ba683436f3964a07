"""What a run tells of its models, and what it writes of them, without converting any."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from building.jobs import Job, State, crashed, internal_error, refused
from building.library import digest
from building.outputs import made_before, replace_files, survey, sweep, write
from building.report import Mode, Report, as_document, count_identical, details, summary, table, texts, unified_diff
from diagnostics.errors import ConversionError
from outcomes import CONFIGURATION, MODELING, PROBLEM, generated, outcome, put

from converter.values import Layout


def test_outputs_are_modules_of_their_package(job: Job) -> None:
    assert job.module_of(MODELING) == "generated.toy.modeling_toy" and job.module_of("__init__.py") == "generated.toy"


@pytest.mark.parametrize(
    ("states", "mode", "line"),
    [
        ({"modeling": State.SAME}, Mode.WRITE, "fresh   generated/toy: 1 file"),
        ({"modeling": State.SAME, "configuration": State.SAME}, Mode.CHECK, "fresh   generated/toy: 2 files"),
        ({"modeling": State.DIFFERS, "configuration": State.SAME}, Mode.WRITE, f"wrote   generated/toy: {MODELING}"),
        ({"modeling": State.LEFTOVER}, Mode.WRITE, f"removed generated/toy: {MODELING}"),
        (
            {"modeling": State.MISSING, "configuration": State.LEFTOVER},
            Mode.WRITE,
            f"wrote   generated/toy: {MODELING}; removed generated/toy: {CONFIGURATION}",
        ),
        (
            {"modeling": State.MISSING, "configuration": State.LEFTOVER},
            Mode.DIFF,
            f"would write generated/toy: {MODELING}; would remove generated/toy: {CONFIGURATION}",
        ),
        (
            {"modeling": State.MISSING, "configuration": State.LEFTOVER},
            Mode.CHECK,
            f"stale   generated/toy: {MODELING} is missing, {CONFIGURATION} is left over",
        ),
    ],
)
def test_one_line_says_what_became_of_a_model(job: Job, states: dict[str, State], mode: Mode, line: str) -> None:
    assert summary(outcome(job, **states), mode) == line


def test_a_check_says_why_a_model_is_stale_and_what_a_person_changed(job: Job) -> None:
    put(job, modeling=generated(job) + "mine = 2\n", configuration=generated(job))
    one = replace(outcome(job, modeling=State.DIFFERS, configuration=State.DIFFERS), why="the moon")
    assert summary(one, Mode.CHECK) == (
        f"stale   generated/toy: {MODELING} was edited by hand, {CONFIGURATION} differs\n        why: the moon"
    )


def test_refused_and_skipped_models_have_their_line_and_no_files(job: Job) -> None:
    one = refused(outcome(job, modeling=State.UNKNOWN), [PROBLEM, PROBLEM], "the trace")
    assert one.failed and not one.fresh and one.texts == {}
    assert summary(one, Mode.WRITE) == "refused modular/modular_toy.py: 2 problems"
    skipped = replace(outcome(job, modeling=State.SAME), blocked_by="base")
    assert skipped.failed and not skipped.fresh
    assert summary(skipped, Mode.CHECK) == "skipped modular/modular_toy.py: base was refused"
    assert unified_diff(replace(one, states={MODELING: State.DIFFERS})) == ""
    assert [as_document(each, Mode.WRITE)["state"] for each in (one, skipped)] == ["refused", "skipped"]


def test_a_fault_of_the_converter_is_a_problem_with_a_trace(job: Job) -> None:
    try:
        raise KeyError("no\n  such   thing")
    except KeyError as error:
        one = crashed(outcome(job, modeling=State.SAME), error)
    (problem,) = one.problems
    assert (problem.code, problem.path, problem.line) == ("internal-error", "modular/modular_toy.py", 1)
    assert problem.message == "KeyError: 'no\\n such thing'" and "test_a_fault" in one.trace
    assert len(internal_error("p", ValueError("x" * 2000)).message) == 500
    assert details(one).splitlines()[0] == "toy: 0.000 s" and "KeyError" in details(one)


def test_details_say_where_it_came_from_and_what_was_read(job: Job) -> None:
    one = replace(outcome(job, modeling=State.SAME), reads={"b": "12", "a": ""}, seconds=1.23456)
    assert details(one) == "toy: 1.235 s\n    reads a (not there)\n    reads b"
    assert details(replace(one, cached=True)).splitlines()[0] == "toy: from the cache"


def test_a_diff_is_one_that_patch_takes(job: Job) -> None:
    put(job, modeling="old = 1", configuration="gone = 1\n")
    one = outcome(job, modeling=State.DIFFERS, configuration=State.LEFTOVER, tokenization=State.SAME)
    assert unified_diff(one) == (
        f"--- generated/toy/{MODELING}\n+++ generated/toy/{MODELING}\n@@ -1 +1 @@\n-old = 1\n"
        f"\\ No newline at end of file\n+new = 1\n"
        f"--- generated/toy/{CONFIGURATION}\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone = 1\n"
    )
    missing = unified_diff(outcome(job, modeling=State.MISSING))
    assert missing.startswith(f"--- /dev/null\n+++ generated/toy/{MODELING}\n@@ -1 +1 @@\n")


def test_form_feeds_end_no_line_of_a_diff(job: Job) -> None:
    put(job, modeling="a\x0cb\n")
    assert unified_diff(outcome(job, modeling=State.DIFFERS)).endswith("@@ -1 +1 @@\n-a\x0cb\n+new = 1\n")


def test_documents_say_the_same_for_programs(job: Job) -> None:
    one = replace(outcome(job, modeling=State.DIFFERS), warnings=(PROBLEM,))
    put(job, modeling="old = 1\n")
    found = as_document(one, Mode.CHECK)
    assert (found["model"], found["folder"], found["state"]) == ("toy", "generated/toy", "stale")
    assert found["files"] == {MODELING: "differs"} and found["problems"] == [] and "texts" not in found
    assert found["warnings"][0]["code"] == "two-parents"
    assert as_document(one, Mode.WRITE)["state"] == "written"
    assert as_document(one, Mode.PRINT)["texts"] == {MODELING: "new = 1\n"}
    assert (
        as_document(one, Mode.DIFF)["diff"] == unified_diff(one) and as_document(one, Mode.DIFF)["state"] == "differs"
    )
    assert as_document(outcome(job, modeling=State.SAME), Mode.DIFF)["state"] == "fresh"
    json.dumps(found)


def test_counts_are_of_files_by_kind(job: Job) -> None:
    every = [
        outcome(job, modeling=State.SAME, configuration=State.DIFFERS),
        outcome(job, modeling=State.UNKNOWN, configuration=State.LEFTOVER, processing=State.MISSING),
    ]
    assert count_identical(every) == (1, 5) and count_identical([]) == (0, 0)
    lines = [line.split() for line in table(every).splitlines()]
    assert lines[0] == ["identical", "different", "missing", "not", "on", "disk"]
    assert {line[0]: list(map(int, line[1:])) for line in lines[1:]} == {
        "configuration": [0, 1, 1, 0],
        "modeling": [1, 1, 0, 0],
        "processing": [0, 0, 0, 1],
        "all": [1, 2, 1, 1],
    }
    assert len({len(line) for line in table(every).splitlines()}) == 1


def test_texts_name_their_files_unless_there_is_one(job: Job) -> None:
    one = replace(outcome(job), texts={"b.py": "b\n", "a.py": "a\n"})
    assert list(texts(one, alone=False)) == ["# ---- generated/toy/a.py\na\n", "# ---- generated/toy/b.py\nb\n"]
    assert list(texts(one, alone=True)) == ["a\n", "b\n"]


@pytest.mark.parametrize(
    ("states", "mode", "status"),
    [
        ({"modeling": State.SAME}, Mode.CHECK, 0),
        ({"modeling": State.DIFFERS}, Mode.CHECK, 1),
        ({"modeling": State.DIFFERS}, Mode.WRITE, 0),
        ({"modeling": State.LEFTOVER}, Mode.CHECK, 1),
    ],
)
def test_a_status_sums_up_what_was_told(
    job: Job, capsys: pytest.CaptureFixture[str], states: dict[str, State], mode: Mode, status: int
) -> None:
    report = Report(mode)
    report.add(outcome(job, **states))
    report.add(outcome(job, modeling=State.SAME))
    assert report.status == status and summary(outcome(job, **states), mode) in "".join(capsys.readouterr())
    report.add(refused(outcome(job), [PROBLEM]))
    report.add(outcome(job, modeling=State.SAME))
    assert report.status == 2


def test_a_problem_of_several_models_is_told_once_and_kept_for_programs(
    job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Report(Mode.WRITE, json=True)
    for _ in range(2):
        report.add(refused(outcome(job), [PROBLEM]))
    assert report.refuse([PROBLEM]) == 2
    report.result("words")
    out, err = capsys.readouterr()
    assert "words" not in out and err.count("two-parents") == 1
    answer = report.answer()
    assert answer.status == 2 and [each["code"] for each in answer.problems] == ["two-parents"] * 3
    assert answer.document == {}


@pytest.mark.parametrize(("text", "printed"), [("a", "a\n"), ("a\n", "a\n"), ("", "")])
def test_results_end_with_one_newline(capsys: pytest.CaptureFixture[str], text: str, printed: str) -> None:
    Report().result(text)
    assert capsys.readouterr().out == printed


def test_files_are_surveyed_with_those_made_before(job: Job) -> None:
    put(job, modeling=generated(job), configuration=generated(job), foreign="x = 1\n")
    other = replace(job, target=replace(job.target, origin="modular/modular_toy.py2"))
    put(job, other=generated(other), modular=generated(job))
    (job.folder / "notes.txt").write_text(generated(job))
    assert made_before(job) == [CONFIGURATION, MODELING]
    older = replace(job, target=replace(job.target, release="4.0.0"))
    assert made_before(older) == [CONFIGURATION, MODELING]
    same = digest((job.folder / MODELING).read_bytes())
    (job.folder / "folder_toy.py").mkdir()
    assert survey(job, {MODELING: same, "new_toy.py": same, "foreign_toy.py": same, "folder_toy.py": same}) == {
        CONFIGURATION: State.LEFTOVER,
        "folder_toy.py": State.DIFFERS,
        "foreign_toy.py": State.DIFFERS,
        MODELING: State.SAME,
        "new_toy.py": State.MISSING,
    }
    assert survey(replace(job, folder=job.folder / "none"), {}) == {}


@pytest.mark.parametrize(
    ("edit", "code"), [("mine = 2\n", "edited-output"), (None, "foreign-output")], ids=["edited", "foreign"]
)
def test_files_of_others_are_kept_unless_it_is_forced(job: Job, edit: str | None, code: str) -> None:
    text = generated(job) + edit if edit else "x = 1\n"
    put(job, modeling=text, configuration=generated(job))
    one = outcome(job, modeling=State.DIFFERS, configuration=State.LEFTOVER)
    with pytest.raises(ConversionError) as error:
        write(one)
    assert [each.code for each in error.value.diagnostics] == [code]
    assert (job.folder / MODELING).read_text() == text and (job.folder / CONFIGURATION).exists()
    write(one, force=True)
    assert (job.folder / MODELING).read_text() == "new = 1\n" and not (job.folder / CONFIGURATION).exists()


def test_a_tree_has_no_seals_and_git_knows_what_was_there(job: Job) -> None:
    put(job, modeling="x = 1\n")
    write(outcome(replace(job, target=replace(job.target, layout=Layout.TREE)), modeling=State.DIFFERS))
    assert (job.folder / MODELING).read_text() == "new = 1\n"


def test_a_folder_that_is_a_file_cannot_be_written(job: Job) -> None:
    job.folder.parent.mkdir()
    job.folder.write_text("a file")
    with pytest.raises(ConversionError) as error:
        write(outcome(job, modeling=State.MISSING))
    assert [each.code for each in error.value.diagnostics] == ["cannot-write"]


def test_only_our_own_leftovers_are_swept(tmp_path: Path) -> None:
    names = [".a.py.0123abcd.tmp", ".a.py.0123abcX.tmp", ".b.py.0123abcd.tmp", "a.py.0123abcd.tmp", ".a.py.0123abcd"]
    for name in names:
        (tmp_path / name).write_text("x")
    sweep(tmp_path, ["a.py"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])
    sweep(tmp_path / "none", ["a.py"])
    replace_files({tmp_path / "b.py": "b\r\n"})
    assert (tmp_path / "b.py").read_bytes() == b"b\r\n" and not (tmp_path / names[2]).exists()
