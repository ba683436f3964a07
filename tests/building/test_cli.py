"""The command line as people use it: what it writes, prints and returns."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from building.cli import main
from building.stage import Stage
from toy import make_project, make_tree, put, snapshot, toy_convert


LLAMA = "VALUE = 1\n"
QWEN3 = "from generated.quality_gate_llama.modeling_quality_gate_llama import VALUE\nVALUE = 10\n"
Run = Callable[..., tuple[int, str, str]]
UTILS = Path(__file__).resolve().parents[2] / "utils"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUALITY_GATE_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_project(tmp_path / "project", llama=LLAMA, qwen3=QWEN3)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run a command line; its status, stdout and stderr."""

    def call(*argv: str | Path) -> tuple[int, str, str]:
        status = main([str(one) for one in argv], convert=toy_convert, project=tmp_path / "project")
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def generated(project: Path, model: str) -> Path:
    return project / f"generated/quality_gate_{model}/modeling_quality_gate_{model}.py"


def test_a_model_is_written_formatted_and_sealed(project: Path, run: Run) -> None:
    status, out, err = run("--model", "llama")
    assert (status, err) == (0, "")
    names = "__init__.py, modeling_quality_gate_llama.py"
    assert out == f"wrote   generated/quality_gate_llama: {names}\nwrote   generated: lock.json\n"
    text = generated(project, "llama").read_text()
    assert text.startswith("# Generated from modular/modular_quality_gate_llama.py and transformers ")
    assert text.endswith('VALUE = 1\nNAME = "?"\n') and "import os" not in text
    assert re.search(r"^# Seal: sha256 (?!0{64})[0-9a-f]{64}$", text, re.MULTILINE)


def test_the_full_name_names_the_same_model(project: Path, run: Run) -> None:
    assert run("--model", "quality_gate_llama")[0] == 0
    assert generated(project, "llama").is_file()


def test_a_second_run_is_fresh_and_touches_nothing(project: Path, run: Run) -> None:
    run("--all")
    times = [path.stat().st_mtime_ns for path in sorted(project.rglob("*.py"))]
    status, out, _ = run("--all")
    assert (status, out) == (
        0,
        "fresh   generated/quality_gate_llama: 2 files\nfresh   generated/quality_gate_qwen3: 2 files\n"
        "fresh   generated: 1 file\n",
    )
    assert times == [path.stat().st_mtime_ns for path in sorted(project.rglob("*.py"))]


def test_parents_are_made_first_and_along_with_their_children(project: Path, run: Run) -> None:
    status, out, _ = run("--model", "qwen3")
    assert status == 0
    assert [line.split()[1] for line in out.splitlines()] == [
        "generated/quality_gate_llama:",
        "generated/quality_gate_qwen3:",
        "generated:",
    ]
    assert "VALUE = 11\n" in generated(project, "qwen3").read_text()


def test_a_child_follows_a_change_of_its_parent(project: Path, run: Run) -> None:
    run("--all")
    put(project / "modular/modular_quality_gate_llama.py", "VALUE = 2\n")
    status, out, _ = run("--all", "--check")
    assert status == 1
    assert "-VALUE = 11\n" in out and "+VALUE = 12\n" in out, (
        "the child is compared with what the changed parent makes of it"
    )
    assert run("--model", "qwen3")[0] == 0
    assert "VALUE = 12\n" in generated(project, "qwen3").read_text()


@pytest.mark.parametrize("cache", [(), ("--no-cache",)])
def test_check_writes_nothing_and_counts(project: Path, run: Run, cache: tuple[str, ...]) -> None:
    before = snapshot(project)
    status, out, _ = run("--all", "--check", *cache)
    assert (status, out.splitlines()[-1]) == (1, "0 of 5 files identical")
    assert snapshot(project) == before
    run("--all", *cache)
    status, out, _ = run("--all", "--check", *cache)
    assert (status, out.splitlines()[-1]) == (0, "5 of 5 files identical")


def test_check_reports_only_what_was_asked_for(project: Path, run: Run) -> None:
    run("--all")
    generated(project, "llama").unlink()
    status, out, _ = run("--model", "qwen3", "--check")
    lines = ["fresh   generated/quality_gate_qwen3: 2 files", "fresh   generated: 1 file", "3 of 3 files identical"]
    assert (status, out.splitlines()) == (0, lines)


def test_the_printed_diff_is_a_patch(project: Path, run: Run, tmp_path: Path) -> None:
    run("--all")
    expected = snapshot(project / "generated")
    put(project / "modular/modular_quality_gate_llama.py", "VALUE = 7\nCONFIG\n")
    status, patch, err = run("--all", "--diff")
    assert status == 0 and err.startswith("would write generated/quality_gate_llama: configuration_quality")
    assert snapshot(project / "generated") == expected
    subprocess.run(["git", "apply", "-p0", "-"], input=patch, encoding="utf-8", cwd=project, check=True)
    assert run("--all", "--check")[0] == 0


def test_quiet_check_says_the_count_alone(project: Path, run: Run) -> None:
    assert run("--all", "--check", "--quiet") == (1, "0 of 5 files identical\n", "")


def test_stdout_prints_texts_and_writes_nothing(project: Path, run: Run) -> None:
    status, out, err = run("--model", "llama", "--stdout")
    assert (status, err) == (0, "") and not generated(project, "llama").exists()
    assert "# ---- generated/quality_gate_llama/modeling_quality_gate_llama.py\n# Generated" in out
    run("--all")
    assert run("--model", "llama", "--stdout")[1] == out, "also where the files are there and fresh"
    compile(out, "stdout", "exec")


def test_files_that_are_no_longer_made_go(project: Path, run: Run) -> None:
    put(project / "modular/modular_quality_gate_llama.py", "VALUE = 1\nCONFIG\n")
    run("--model", "llama")
    left = project / "generated/quality_gate_llama/configuration_quality_gate_llama.py"
    own = put(left.with_name("notes.py"), "# mine\n")
    put(project / "modular/modular_quality_gate_llama.py", "VALUE = 1\n")
    status, out, _ = run("--model", "llama", "--check")
    assert status == 1 and f"{left.name} is left over" in out and out.endswith("2 of 4 files identical\n")
    assert run("--model", "llama")[1].splitlines()[0] == f"removed generated/quality_gate_llama: {left.name}"
    assert not left.exists() and own.exists()


def test_an_edited_file_is_kept_unless_forced(project: Path, run: Run) -> None:
    run("--all")
    edited = generated(project, "llama")
    edited.write_text(edited.read_text() + "MINE = 1\n")
    put(project / "modular/modular_quality_gate_llama.py", "VALUE = 5\n")
    before = snapshot(project)
    assert f"{edited.name} was edited by hand" in run("--all", "--check")[1]
    status, out, err = run("--all")
    assert status == 2 and snapshot(project) == before
    assert f"{edited.relative_to(project)}:1:1: edited-output: " in err and "--force" in err
    assert "skipped modular/modular_quality_gate_qwen3.py: quality_gate_llama was refused" in out
    assert run("--all", "--force")[0] == 0
    assert "MINE" not in edited.read_text() and "VALUE = 15\n" in generated(project, "qwen3").read_text()


def test_a_file_of_someone_else_is_kept(project: Path, run: Run) -> None:
    mine = put(generated(project, "llama").with_name("__init__.py"), "mine = True\n")
    status, _, err = run("--model", "llama")
    assert status == 2 and "foreign-output" in err
    assert snapshot(mine.parent) == {"__init__.py": b"mine = True\n"}, "nothing is written of a refused model"


def test_refusals_have_a_place_and_stop_only_their_dependants(project: Path, run: Run) -> None:
    put(project / "modular/modular_quality_gate_llama.py", "VALUE = 1\nfrom transformers.models.nil import X\n")
    put(project / "modular/modular_quality_gate_gemma3.py", "VALUE = 3\n")
    status, out, err = run("--all")
    assert status == 2
    assert err.startswith(
        "modular/modular_quality_gate_llama.py:2:1: unknown-base: there is no transformers.models.nil"
    )
    assert [line.split()[0] for line in out.splitlines()] == ["wrote", "refused", "skipped", "wrote"]
    assert generated(project, "gemma3").exists() and not generated(project, "qwen3").exists()


@pytest.mark.parametrize("jobs", ["1", "3"])
@pytest.mark.parametrize(
    ("delta", "code"),
    [
        ("BOOM\n", "internal-error: RuntimeError: boom"),
        ("EMIT print(nowhere)\n", "undefined-name: modeling_quality_gate_llama.py would say `print(nowhere)`"),
        ("EMIT x = (\n", "invalid-output"),
    ],
)
def test_faults_become_diagnostics(project: Path, run: Run, jobs: str, delta: str, code: str) -> None:
    put(project / "modular/modular_quality_gate_llama.py", delta)
    put(project / "modular/modular_quality_gate_gemma3.py", "VALUE = 3\n")
    status, _, err = run("--all", "--jobs", jobs)
    assert status == 2 and f": {code}" in err and "Traceback" not in err
    assert generated(project, "gemma3").exists() and not generated(project, "llama").exists()


def test_a_worker_that_dies_takes_only_its_model_along(project: Path, run: Run) -> None:
    put(project / "modular/modular_quality_gate_llama.py", "DIE\n")
    for name in "abcdefgh":
        put(project / f"modular/modular_quality_gate_{name}.py", "VALUE = 3\n")
    status, _, err = run("--all", "--jobs", "2")
    assert status == 2 and err.count("internal-error") == 1
    assert all(generated(project, name).exists() for name in "abcdefgh")


def test_undefined_names_are_a_warning_when_lenient(project: Path, run: Run) -> None:
    put(project / "modular/modular_quality_gate_llama.py", "# nowhere\nEMIT print(nowhere)\n")
    status, _, err = run("--model", "llama", "--no-strict")
    assert status == 0
    assert err.startswith("warning: modular/modular_quality_gate_llama.py:1:3: undefined-name: ")


def test_warnings_come_from_the_cache_too(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    put(project / "modular/modular_quality_gate_llama.py", "# WARN\n")
    said = run("--model", "llama")[2]
    assert said.startswith("warning: modular/modular_quality_gate_llama.py:1:1: doubtful: ")
    monkeypatch.chdir(project / "modular")
    assert run("--model", "llama")[2] == said.replace("modular/", "", 1), "with the path as seen from here"


def test_verbose_tells_times_reads_and_traces(project: Path, run: Run) -> None:
    _, _, err = run("--model", "qwen3", "--verbose")
    assert re.search(
        r"^quality_gate_qwen3: \d+\.\d{3} s\n    reads generated\.quality_gate_llama\.", err, re.MULTILINE
    )
    assert "quality_gate_qwen3: from the cache" in run("--model", "qwen3", "--verbose")[2]
    put(project / "modular/modular_quality_gate_llama.py", "BOOM\n")
    assert "RuntimeError: boom" in (said := run("--model", "llama", "--verbose")[2]) and "Traceback" in said


@pytest.mark.parametrize(
    ("model", "code", "fix"),
    [
        ("lama", "unknown-model", "did you mean `llama`?"),
        ("quality_gate_lama", "unknown-model", "did you mean `quality_gate_llama`?"),
        ("Llama", "bad-model", "did you mean `llama`?"),
        ("modular/modular_quality_gate_llama.py", "bad-model", "did you mean `quality_gate_llama`?"),
        ("../llama", "bad-model", "did you mean `llama`?"),
        ("qwen 3", "bad-model", "did you mean `qwen3`?"),
        ("", "bad-model", "in lower case"),
    ],
)
def test_bad_models_are_refused(project: Path, run: Run, model: str, code: str, fix: str) -> None:
    status, out, err = run("--model", model)
    assert (status, out) == (2, "")
    assert f"modular:1:1: {code}: " in err and fix in err


@pytest.mark.parametrize("model", ["Llama", "", "../x", "/etc/passwd"])
def test_what_is_no_name_is_never_looked_for(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor where there is no modular file at all, nor by what writes those that are missing."""
    asked: list[str] = []
    stage = Stage(kinds=("quality",), write_missing=lambda name, *_: asked.append(name) or None)
    assert main(["--model", model], project=tmp_path, stage=stage) == 2
    assert "bad-model: " in capsys.readouterr().err and not asked and not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("argv", "asked"),
    [
        (("--model", "llama"), ("llama", "quality")),
        (("--model", "attention_gate_llama"), ("attention_gate_llama", "attention")),
        (("--model", "other_gate_llama"), ("other_gate_llama", "quality")),
        (("--gate", "quality", "--model", "attention_gate_llama"), ("attention_gate_llama", "quality")),
    ],
)
def test_the_kind_of_a_missing_modular_file_is_that_of_its_name(
    argv: tuple[str, ...], asked: tuple[str, str], tmp_path: Path
) -> None:
    found: list[tuple[str, str]] = []
    stage = Stage(
        kinds=("attention", "quality"), write_missing=lambda name, _, gate: found.append((name, gate)) or None
    )
    main(argv, project=tmp_path, stage=stage)
    assert found == [asked]


@pytest.mark.parametrize("name", ["modular", "generated"])
def test_a_file_in_the_way_of_a_folder_is_told_before_anything_is_written(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).touch()
    stage = Stage(kinds=("quality",), write_missing=lambda *_: pytest.fail("asked"))
    assert main(["--model", "llama", "--json"], project=tmp_path, stage=stage) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["problems"][0]["code"] == "cannot-write" and [*tmp_path.iterdir()] == [tmp_path / name]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ("", "say what to convert"),
        ("--all --model llama", "leave out --model"),
        ("--all --output out", "--output goes with files"),
        ("modular/modular_quality_gate_llama.py", "--output DIR"),
        ("modular/modular_quality_gate_llama.py --output out --all", "not both"),
        ("--all --stdout --check", "--stdout prints whole files"),
        ("--all --check --force", "nothing is written"),
        ("--all --table", "it goes with --check"),
        ("--tree 5.24.0", "a release is compared, never changed"),
        ("--all --quiet --verbose", "not allowed with"),
        ("--all --jobs 0", "write 1 or more"),
        ("--all --jobs two", "write 1 or more"),
        ("--nonsense", "unrecognized arguments"),
    ],
)
def test_senseless_commands_are_refused(project: Path, run: Run, argv: str, says: str) -> None:
    status, out, err = run(*argv.split())
    assert (status, out) == (2, "") and says in err


def test_a_release_is_compared_by_its_version(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "cache/releases/transformers-5.24.0/transformers"  # where fetched releases are kept
    make_tree(folder, olmo="VALUE = 2\n")
    status, out, err = run("--tree", "5.24.0", "--check", "--table")
    assert (status, err) == (1, "") and out.endswith("0 of 1 files identical\n")
    assert [path.name for path in folder.glob("models/olmo/*")] == ["modular_olmo.py"]


def test_help_is_no_error(run: Run) -> None:
    status, out, err = run("--help")
    assert (status, err) == (0, "") and "--tree" in out


def test_a_file_from_anywhere(project: Path, run: Run, tmp_path: Path) -> None:
    delta = put(tmp_path / "far away/modular_mine.py", "from ..llama.modeling_llama import LlamaModel\nVALUE = 4\n")
    status, out, _ = run(delta, "--output", tmp_path / "out")
    assert status == 0 and out == f"wrote   {tmp_path / 'out'}: __init__.py, modeling_mine.py\n"
    text = (tmp_path / "out/modeling_mine.py").read_text()
    assert text.startswith("# Generated from modular_mine.py and transformers ") and str(tmp_path) not in text
    assert run(delta, "--output", tmp_path / "out", "--check")[0] == 0


def test_several_files_get_a_folder_each_and_see_each_other(project: Path, run: Run, tmp_path: Path) -> None:
    one = put(tmp_path / "modular_one.py", "from ..two.modeling_two import VALUE\nVALUE = 1\n")
    two = put(tmp_path / "modular_two.py", "VALUE = 2\n")
    assert run(one, two, "--output", tmp_path / "out")[0] == 0
    assert "VALUE = 3\n" in (tmp_path / "out/one/modeling_one.py").read_text()
    assert (tmp_path / "out/two/modeling_two.py").is_file()


def test_another_model_in_the_same_folder_is_foreign(project: Path, run: Run, tmp_path: Path) -> None:
    one, two = put(tmp_path / "modular_one.py", "VALUE = 1\n"), put(tmp_path / "modular_two.py", "VALUE = 2\n")
    assert run(one, "--output", tmp_path / "out")[0] == 0
    before = snapshot(tmp_path / "out")
    status, _, err = run(two, "--output", tmp_path / "out")
    assert status == 2 and "__init__.py:1:1: foreign-output" in err and snapshot(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("modular_absent.py", "no-such-file"),
        ("plain.py", "not-modular"),
        ("modular_X-1.py", "not-modular"),
        ("modular_latin.py", "not-utf8"),
    ],
)
def test_files_that_cannot_be_deltas(project: Path, run: Run, tmp_path: Path, name: str, code: str) -> None:
    if name != "modular_absent.py":
        (tmp_path / name).write_bytes(b"VALUE = 1\n# caf\xe9\n")
    status, _, err = run(tmp_path / name, "--output", tmp_path / "out")
    assert status == 2 and f": {code}: " in err and not (tmp_path / "out").exists()
    assert code != "not-utf8" or ":2:6: " in err


def test_an_output_folder_that_cannot_be(project: Path, run: Run, tmp_path: Path) -> None:
    delta = put(tmp_path / "modular_mine.py", "VALUE = 4\n")
    status, _, err = run(delta, "--output", put(tmp_path / "file", "x"))
    assert status == 2 and f"{tmp_path / 'file'}:1:1: cannot-write: File exists" in err


def test_an_unreadable_delta_stops_only_itself(project: Path, run: Run) -> None:
    (project / "modular/modular_quality_gate_gone.py").symlink_to(project / "nowhere")
    status, out, err = run("--all")
    assert status == 2 and "modular_quality_gate_gone.py:1:1: unreadable: No such file" in err
    assert [line.split()[0] for line in out.splitlines()] == ["refused", "wrote", "wrote", "wrote"]


def test_cycles_are_named(project: Path, run: Run) -> None:
    put(
        project / "modular/modular_quality_gate_llama.py",
        "VALUE = 1\nfrom generated.quality_gate_qwen3.modeling_quality_gate_qwen3 import VALUE\n",
    )
    put(
        project / "modular/modular_quality_gate_child.py",
        "from generated.quality_gate_qwen3.modeling_quality_gate_qwen3 import VALUE\n",
    )
    status, out, err = run("--all")
    assert status == 2
    assert (
        "modular/modular_quality_gate_llama.py:2:1: circular-modular: circular modular files: "
        "quality_gate_llama -> quality_gate_qwen3 -> quality_gate_llama\n" in err
    )
    assert "modular_quality_gate_child.py: quality_gate_llama was refused" in out


def test_a_tree_is_converted_in_place(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = make_tree(tmp_path / "transformers", a="VALUE = 1\n", b="from ..a.modeling_a import VALUE\nVALUE = 2\n")
    monkeypatch.chdir(tree)
    status, out, _ = run("--tree", tree)
    assert (status, out) == (0, "wrote   models/a: modeling_a.py\nwrote   models/b: modeling_b.py\n")
    text = (tree / "models/b/modeling_b.py").read_text()
    assert "automatically generated from src/transformers/models/b/modular_b.py.\n" in text and "VALUE = 3\n" in text
    assert 'NAME = "Ay"\n' in (tree / "models/a/modeling_a.py").read_text(), "the tree's own table"
    assert run("--tree", tree, "--check")[1].endswith("2 of 2 files identical\n")
    assert run("--tree", tree, "--model", "a", "--check")[1].endswith("1 of 1 files identical\n")


def test_a_tree_counts_generated_files_that_nothing_makes(run: Run, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "transformers", a="VALUE = 1\nCONFIG\n", b="VALUE = 2\n")
    run("--tree", tree)
    put(tree / "models/a/modular_a.py", "VALUE = 1\n")
    put(tree / "models/a/hand_written.py", "VALUE = 1\n")
    put(tree / "models/b/modular_b.py", "BOOM\n")
    status, out, _ = run("--tree", tree, "--check")
    assert status == 2 and out.endswith("1 of 3 files identical\n"), "left over: different; refused: different"


def test_a_folder_may_hold_two_modular_files(run: Run, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "transformers", a="VALUE = 1\n")
    put(tree / "models/vec/modular_vec_audio.py", "VALUE = 2\n")
    put(tree / "models/vec/modular_vec_text.py", "from .modeling_vec_audio import VALUE\nVALUE = 3\n")
    assert run("--tree", tree, "--model", "vec")[0] == 0
    assert "VALUE = 5\n" in (tree / "models/vec/modeling_vec_text.py").read_text()
    assert not (tree / "models/a/modeling_a.py").exists()
    assert run("--tree", tree, "--model", "vec_audio", "--check")[1].endswith("1 of 1 files identical\n")


def test_a_tree_makes_the_parents_it_lacks(run: Run, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "transformers", a="VALUE = 1\n", b="from ..a.modeling_a import VALUE\nVALUE = 2\n")
    assert run("--tree", tree, "--model", "b")[0] == 0
    put(tree / "models/a/modular_a.py", "VALUE = 5\n")
    assert run("--tree", tree, "--model", "b", "--check")[0] == 0, "a parent that is there is taken as it is"
    assert run("--tree", tree, "--check")[1].endswith("0 of 2 files identical\n"), "unless it is converted, too"


@pytest.mark.parametrize(
    ("argv", "code", "fix"),
    [
        (("--tree", "nowhere"), "not-a-tree", "models/"),
        (("--tree", "empty"), "nothing-to-convert", "modular_"),
        (("--tree", "t", "--model", "hand"), "unknown-model", "has a modular file"),
        (("--tree", "t", "--ruff-config", "none.toml"), "no-such-file", "ruff.toml"),
    ],
)
def test_trees_that_are_none(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...], code: str, fix: str
) -> None:
    make_tree(tmp_path / "t", a="VALUE = 1\n")
    (tmp_path / "t/models/hand").mkdir()
    (tmp_path / "empty/models").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    status, _, err = run(*argv)
    assert status == 2 and f": {code}: " in err and fix in err


@pytest.mark.parametrize("where", ["given", "above"])
def test_a_tree_is_formatted_under_its_own_table(run: Run, tmp_path: Path, where: str) -> None:
    tree = make_tree(tmp_path / "repo/src/transformers", a="VALUE = 1\n")
    table = "[tool.ruff]\nformat.quote-style = 'single'\n"
    put(
        tmp_path / ("repo/pyproject.toml" if where == "above" else "mine.toml"),
        table.replace("[tool.ruff]\n", "") if where == "given" else table,
    )
    assert run("--tree", tmp_path / "repo", *(["--ruff-config", tmp_path / "mine.toml"] * (where == "given")))[0] == 0
    assert "NAME = 'Ay'\n" in (tree / "models/a/modeling_a.py").read_text()


def test_a_broken_ruff_table_is_one_problem(run: Run, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "transformers", a="VALUE = 1\n", b="VALUE = 1\n")
    table = put(tmp_path / "mine.toml", "no-such-setting = 1\n")
    status, _, err = run("--tree", tree, "--ruff-config", table)
    assert status == 2 and err.count("style-failed") == 1 and "no-such-setting" in err


SCRIPT = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from toy import toy_convert
from building.cli import main
sys.exit(main({argv!r}, convert=toy_convert, project=Path({project!r})))
"""


def script(project: Path, *argv: str) -> list[str]:
    path = [str(UTILS), str(Path(__file__).parents[1])]
    return [sys.executable, "-c", SCRIPT.format(path=path, argv=list(argv), project=str(project))]


def test_the_bytes_do_not_depend_on_seed_jobs_or_folder(project: Path, tmp_path: Path) -> None:
    results = set()
    for seed, jobs, folder in (("1", "1", project), ("2", "4", tmp_path), ("3", "2", Path("/"))):
        for path in project.glob("generated/*/*"):
            path.unlink()
        surroundings = os.environ | {"PYTHONHASHSEED": seed}
        command = script(project, "--all", "--no-cache", "--jobs", jobs)
        subprocess.run(command, env=surroundings, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        results.add(json.dumps({name: str(text) for name, text in snapshot(project / "generated").items()}))
    assert len(results) == 1


def heed_signals() -> None:
    """In a child before it runs: a script's background job ignores SIGINT, and so would all that it starts."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM])
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_is_quiet_and_leaves_nothing(
    project: Path, tmp_path: Path, sent: signal.Signals, status: int, jobs: str
) -> None:
    put(project / "modular/modular_quality_gate_llama.py", "SLOW\n")
    put(project / "modular/modular_quality_gate_slow.py", "SLOW\n")
    before = snapshot(project)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        script(project, "--all", "--jobs", jobs),
        env=os.environ | {"TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=heed_signals,
    )
    deadline = time.monotonic() + 120
    while not any(scratch.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    if sent is signal.SIGINT:
        os.killpg(process.pid, sent)  # as a terminal does
    else:
        process.send_signal(sent)
    said, _ = process.communicate(timeout=120)
    assert (process.returncode, said) == (status, b"")
    assert snapshot(project) == before and not any(scratch.iterdir())
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # no worker is left in the group


def test_a_bar_is_shown_on_a_terminal_alone(project: Path) -> None:
    ours, theirs = os.openpty()
    command = script(project, "--all", "--jobs", "2")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=os.environ | {"TERM": "xterm"})
    os.close(theirs)
    shown = b""
    while chunk := read_terminal(ours):
        shown += chunk
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0 and b"2/2" in shown
    assert out.decode().startswith("wrote   ") and b"\x1b" not in out


def read_terminal(end: int) -> bytes:
    """What comes next; nothing once the other end is closed, which Linux calls an error."""
    try:
        return os.read(end, 4096)
    except OSError:
        return b""


def test_an_old_terminal_still_gets_a_patch(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "transformers", a="VALUE = 1\n")
    surroundings = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = script(tmp_path, "--tree", str(tree), "--diff")
    done = subprocess.run(command, capture_output=True, env=surroundings, check=True)
    assert "🚨🚨".encode() in done.stdout and b"Traceback" not in done.stderr


def test_a_closed_pipe_is_no_error(project: Path) -> None:
    process = subprocess.Popen(script(project, "--all", "--stdout"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=120)
    assert b"Traceback" not in err and b"Exception ignored" not in err


def test_where_nothing_changed_nothing_slow_is_imported(project: Path, run: Run) -> None:
    run("--all")
    slow = ("libcst", "jinja2", "rich", "transformers", "torch", "multiprocessing", "subprocess", "tempfile")
    code = SCRIPT.replace("from toy import toy_convert\n", "toy_convert = None\n").replace(
        "sys.exit(main", "print(main"
    )
    code = code.format(path=[str(UTILS)], argv=["--all", "--check", "--quiet"], project=str(project))
    code += f"print([name for name in {slow} if name in sys.modules])\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert (done.stdout, done.stderr) == ("5 of 5 files identical\n0\n[]\n", "")


def test_what_a_killed_run_left_is_removed(project: Path, run: Run) -> None:
    folder = generated(project, "llama").parent
    left = put(folder / ".modeling_quality_gate_llama.py.0123abcd.tmp", "half")
    others = [
        put(folder / name, "")
        for name in (".modeling_other.py.0123abcd.tmp", ".modeling_quality_gate_llama.py.tmp", "a.tmp")
    ]
    assert run("--model", "llama")[0] == 0
    assert not left.exists() and all(other.exists() for other in others)


def test_what_a_running_process_is_about_to_put_in_place_stays(project: Path, run: Run) -> None:
    fcntl = pytest.importorskip("fcntl")
    held = put(generated(project, "llama").parent / ".modeling_quality_gate_llama.py.0123abcd.tmp", "whole")
    with open(held) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert run("--model", "llama")[0] == 0
        assert held.exists()
