"""The folder in which architectures are made, what of it goes into the project, and what the command line takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matrix import adopt as adopting
from matrix import workspace as matrix_workspace
from matrix.cli import main, parse
from matrix.kinds import Row as KindRow
from matrix.kinds import count as count_of_kind
from matrix.kinds import page_of, render_kind
from matrix.page import count, count_common
from matrix.pipeline import judged, untested
from matrix.results import Results
from matrix.values import Common, Made, Row, State, Subset, Tally
from matrix.workspace import MatrixWorkspace
from naming.kinds import GateNames


def put(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def workspace(tmp_path: Path) -> MatrixWorkspace:
    """One whose project has a delta of its own for `own`."""
    put(tmp_path / "project" / "modular" / "modular_quality_gate_own.py", "mine")
    (tmp_path / "project" / "tests" / "models").mkdir(parents=True)
    for name in ("own", "new", "other"):
        put(tmp_path / "work" / "modular" / f"modular_quality_gate_{name}.py", f"made {name}")
        put(tmp_path / "work" / "generated" / f"quality_gate_{name}" / "a.py", name)
    put(tmp_path / "work" / "generated" / "__init__.py")
    return MatrixWorkspace(tmp_path / "project", tmp_path / "work")


def test_a_view_has_one_model_alone(workspace: MatrixWorkspace) -> None:
    for _ in range(2):
        view = workspace.view("new")
        assert sorted(path.name for path in (view / "generated").iterdir()) == ["__init__.py", "quality_gate_new"]
    assert (view / "generated" / "quality_gate_new" / "a.py").read_text() == "new"
    assert workspace.tests("new") == workspace.folder / "tests" / "models" / "quality_gate_new"


def test_a_fault_of_a_tool_is_a_row_of_one_architecture(
    workspace: MatrixWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise KeyError("what\n   is  this " + "x" * 400)

    monkeypatch.setattr(matrix_workspace, "short_delta", broken)
    made = workspace.make("new")
    assert (made.name, made.state) == ("new", State.STUCK) and made.reason.startswith("KeyError: ")
    assert "\n" not in made.reason and len(made.reason) <= 310


@pytest.mark.parametrize("listed", [False, True])
def test_what_passes_goes_into_the_project_and_no_delta_is_replaced(
    workspace: MatrixWorkspace, listed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(adopting, "convert", lambda argv, project: asked.append([*argv, str(project)]))
    monkeypatch.setattr(adopting, "render_tests", lambda argv: asked.append(list(argv)))
    if listed:
        put(workspace.project / "tests" / "models" / "conftest.py")
    adopting.adopt(workspace, ["own", "new", "other"])
    modular = workspace.project / "modular"
    assert {path.name[21:]: path.read_text() for path in modular.iterdir()} == {
        "own.py": "mine",
        "new.py": "made new",
        "other.py": "made other",
    }
    models = ["--model", "new", "--model", "other"]
    folders = [
        "--generated",
        str(workspace.project / "generated"),
        "--output",
        str(workspace.project / "tests" / "models"),
    ]
    assert asked == [[*models, "--quiet", str(workspace.project)], [*models, *folders, *(["--manifest"] * listed)]]
    asked.clear()
    adopting.adopt(workspace, ["own"])
    adopting.adopt(workspace, [])
    assert asked == []


KNOWN = ["llama", "mistral", "gpt_oss"]


def test_the_command_line_takes_models_by_either_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUALITY_GATE_CACHE_DIR", str(tmp_path))
    args = parse(["--model", "quality_gate_llama", "--model", "gpt_oss", "--fast", "--limit", "2.5"], lambda: KNOWN)
    assert (args.model, args.subset, args.limit, args.gate) == (["llama", "gpt_oss"], Subset.FAST, 2.5, "quality")
    assert args.sdists == tmp_path / "sdist" and not (args.adopt or args.again or args.no_common)
    assert parse(["--sdists", "x"], lambda: KNOWN).sdists == Path("x") and parse([], KNOWN).subset is Subset.FULL


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--model", "mistrall"], "did you mean mistral?"),
        (["--model", "zzz"], "there are llama, mistral, gpt_oss"),
        (["--model", "quality_gate_"], "not a model of transformers"),
        (["--limit", "long"], "invalid float value"),
        (["llama"], "unrecognized arguments: llama"),
    ],
)
def test_what_means_no_model_is_said(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse(argv, lambda: KNOWN)
    assert end.value.code == 2 and said in capsys.readouterr().err


def test_without_a_cache_folder_one_has_to_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("matrix.cli.default_folder", lambda: None)
    with pytest.raises(SystemExit):
        parse([], lambda: KNOWN)
    assert parse(["--work", str(tmp_path)], lambda: KNOWN).sdists == tmp_path / "sdist"


def test_architectures_are_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[int] = []
    monkeypatch.setattr("matrix.workspace.architectures", lambda: listed.append(1) or KNOWN)
    monkeypatch.setattr("matrix.runs.carry_out", lambda args, known, project: len(known) + len(args.model))
    monkeypatch.setenv("QUALITY_GATE_CACHE_DIR", str(tmp_path))
    for argv, status in (["--model", "llama", "--model", "mistral"], 5), ([], 3):
        listed.clear()
        assert main(argv, tmp_path) == status and listed == [1]


TALLY = Tally(3, 1, (("a", "b"), ("c", "")), 4, 5, 1.5, "full")
COMMON = Common(1, 2, (("a", "b"),), (("c", "d"),), 0.5)


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"key": "k"}',
        '{"key": "k", "row": 3, "tests": 3}',
        '{"key": "k", "row": {}, "tests": {}}',
        "\ud7ff{",
    ],
)
def test_a_damaged_result_is_none(damage: str, tmp_path: Path) -> None:
    results = Results(tmp_path)
    row = Row("a", State.GATED, "", (), TALLY)
    results.put(row, Subset.FULL, "k")
    results.put_common("a", COMMON, "k")
    assert (results.get("a", Subset.FAST, "k"), results.get_common("a", "k")) == (row, COMMON)
    for folder in ("full", "common"):
        (tmp_path / folder / "a.json").write_text(damage, encoding="utf-8")
    assert results.get("a", Subset.FULL, "k") is None and results.get_common("a", "k") is None
    assert sorted(path.name for path in tmp_path.rglob("*.json*")) == ["a.json", "a.json"]


def test_rows_count_by_how_far_they_came() -> None:
    made = Made("a", State.GATED, places=("m.py:1",))
    rows = [judged(made, TALLY), judged(made, Tally(3)), untested(Made("b", State.REFUSED, "why")), untested(made)]
    assert [row.state for row in rows] == [State.FAILING, State.GATED, State.REFUSED, State.GATED]
    assert rows[0].reason == "a: b" and rows[2].reason == "why" and rows[1].places == ("m.py:1",)
    assert dict(count(rows)) == {"all": 4, "gated": 2, "failing": 1, "stuck": 0, "refused": 1}
    assert dict(count_common(rows, {"a": COMMON})) == {"passing": 0, "failing": 2, "untried": 0}
    assert dict(count_common(rows, {})) == {"passing": 0, "failing": 0, "untried": 2}


def test_bases_of_another_kind_are_counted_best_first_and_listed() -> None:
    rows = [
        KindRow("z", "no place", "m.py:3", "none | there"),
        KindRow("a", "right"),
        KindRow("b", "differs", "f", "x"),
    ]
    assert list(count_of_kind(rows).items()) == [
        ("right", 1),
        ("warns", 0),
        ("differs", 1),
        ("refused", 0),
        ("no place", 1),
    ]
    names = GateNames("memory")
    page = render_kind(rows, names)
    assert page_of(names) == "docs/memory_gate_bases.md" and page == render_kind(list(rows), names)
    assert "m.py:3" in page and "differs" in page
