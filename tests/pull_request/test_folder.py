"""A folder and a patch: the same files, for a repository that may not be at hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pull_request import project
from pull_request.base_source import installed_tree
from pull_request.cli import main
from pull_request.edits import toctree
from pull_request.folder import next_page
from pull_request.patch import toctree_hunks
from pull_request.values import Model, Tree
from trees import few_models, git


LLAMA = "src/transformers/models/quality_gate_llama"
OWN = [
    "docs/source/en/model_doc/quality_gate_llama.md",
    *(f"{LLAMA}/{name}quality_gate_llama.py" for name in ("configuration_", "modeling_", "modular_")),
    f"{LLAMA}/__init__.py",
    "src/transformers/models/__init__.py",
    "src/transformers/models/auto/auto_mappings.py",
    "src/transformers/models/auto/modeling_auto.py",
    "tests/models/quality_gate_llama/__init__.py",
    "tests/models/quality_gate_llama/test_modeling_quality_gate_llama.py",
]


def files(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export without a repository, read by the tests and changed by none."""
    made = tmp_path_factory.mktemp("folder") / "pr"
    assert main(["--model", "llama", "--output", str(made)]) == 0
    return made


def test_a_folder_holds_the_files_the_body_and_a_checklist(folder: Path) -> None:
    assert sorted(files(folder)) == sorted([*OWN, "CHECKLIST.md", "PULL_REQUEST.md", "shared-files.patch"])
    checklist = (folder / "CHECKLIST.md").read_text()
    assert "- [x] `src/transformers/models/auto/modeling_auto.py` (edited copy)" in checklist
    assert "- [ ] `shared-files.patch`" in checklist
    assert "Not measured" in (folder / "PULL_REQUEST.md").read_text()


def test_its_hunks_apply_to_a_repository(folder: Path, tmp_path: Path) -> None:
    repo = few_models(tmp_path / "repo")
    git(repo, "apply", "--recount", str(folder / "shared-files.patch"))
    contents = (repo / "docs/source/en/_toctree.yml").read_text()
    assert (
        "      - local: model_doc/quality_gate_llama\n        title: QualityGateLlama\n"
        "      - local: model_doc/qwen2\n        title: Qwen2\n" in contents
    )


def test_hunks_keep_the_order_of_each_section(tmp_path: Path) -> None:
    repo = few_models(tmp_path / "repo")
    pages = {"quality_gate_b": ("QualityGateb", "qwen2"), "quality_gate_c": ("QualityGateA", "qwen2")}
    (repo / "hunks").write_text(toctree_hunks({**pages, "quality_gate_gemma3": ("QualityGateGemma3", "gemma3")}))
    git(repo, "apply", "--recount", "hunks")
    titles = [page.title for page in toctree.pages((repo / "docs/source/en/_toctree.yml").read_text())]
    assert titles == [
        "GptOss",
        "Llama",
        "QualityGateA",
        "QualityGateb",
        "Qwen2",
        "Qwen3",
        "QualityGateGemma3",
        "Gemma3",
        "LLaVA",
    ]


def test_a_folder_below_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["--model", "llama", "--output", str(tmp_path / "file" / "pr"), "--no-checks"]) == 2
    assert "not-a-folder" in capsys.readouterr().err


def test_an_exported_folder_is_verified(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "llama", "--output", str(folder), "--verify"]) == 0
    assert "nothing found" in capsys.readouterr().out
    (tmp_path / LLAMA).mkdir(parents=True)
    assert main(["--model", "llama", "--output", str(tmp_path), "--verify"]) == 1
    assert f"{LLAMA}/__init__.py:1:1: missing-file" in capsys.readouterr().err


def test_a_base_tree_gives_edited_copies_of_all_shared_files(tmp_path: Path) -> None:
    repo = few_models(tmp_path / "repo")
    assert main(["--model", "llama", "--output", str(tmp_path / "pr"), "--base-tree", str(repo), "--no-checks"]) == 0
    written = files(tmp_path / "pr")
    assert "shared-files.patch" not in written and "docs/source/en/_toctree.yml" in written
    assert git(repo, "status", "--porcelain") == ""


def test_a_folder_that_holds_something_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "note").touch()
    assert main(["--model", "llama", "--output", str(tmp_path)]) == 2
    assert "not-empty" in capsys.readouterr().err and [*tmp_path.iterdir()] == [tmp_path / "note"]


@pytest.mark.parametrize("with_base", [True, False])
def test_a_patch_is_taken_by_git_am(with_base: bool, tmp_path: Path) -> None:
    repo = few_models(tmp_path / "repo")
    patch = tmp_path / "llama.patch"
    base = ["--base-tree", str(repo)] if with_base else []
    assert main(["--model", "llama", "--patch", str(patch), "--no-checks", *base]) == 0
    git(repo, "am", "--quiet", str(patch))
    assert git(repo, "log", "-1", "--format=%s").strip() == "Add QualityGateLlama"
    assert sorted(git(repo, "diff", "--name-only", "main~1").split()) == sorted([*OWN, "docs/source/en/_toctree.yml"])
    assert (tmp_path / "llama.md").read_text().startswith("# What does this PR do?")


def test_a_body_beside_its_patch_replaces_nothing_that_nobody_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patch, body = tmp_path / "np" / "llama.patch", tmp_path / "np" / "llama.md"
    made = ["--model", "llama", "--no-checks", "--patch", str(patch)]
    assert main(made) == 0 and main(made) == 0  # the same text may go over itself
    body.write_text("filled in")
    patch.write_text("old")
    assert main(made) == 2
    assert "llama.md" in (said := capsys.readouterr().err) and "body-exists" in said and "--body" in said
    assert body.read_text() == "filled in" and patch.read_text() == "old" and len(files(tmp_path)) == 2
    assert main([*made, "--body", str(body)]) == 0
    assert body.read_text().startswith("# What does this PR do?")


@pytest.mark.parametrize("rest", [[], ["--body", "add.md"]])
def test_a_body_does_not_replace_its_own_patch(
    rest: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--model", "llama", "--no-checks", "--patch", str(tmp_path / "add.md"), *rest]) == 2
    assert "same-file" in capsys.readouterr().err and not files(tmp_path)


@pytest.mark.parametrize(
    "where",
    [
        ["--output", "/proc/x"],
        ["--patch", "/proc/x.patch"],
        ["--patch", "folder"],
        ["--output", "pr", "--body", "folder"],
        ["--output", "pr/deep", "--body", "/proc/x.md"],
        ["--patch", "new.patch", "--body", "file/body.md"],
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    where: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("theirs")
    assert main(["--model", "llama", "--no-checks", "--json", *where]) == 2
    assert json.loads(capsys.readouterr().out)["problems"][0]["code"] == "cannot-write"
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"] and not list((tmp_path / "folder").iterdir())


def test_a_body_goes_into_a_new_folder(tmp_path: Path) -> None:
    body = tmp_path / "nodir" / "body.md"
    assert main(["--model", "llama", "--no-checks", "--output", str(tmp_path / "pr"), "--body", str(body)]) == 0
    assert (
        body.read_text().startswith("# What does this PR do?") and not (tmp_path / "pr" / "PULL_REQUEST.md").exists()
    )


@pytest.mark.parametrize(
    ("model", "above"),
    [
        ("quality_gate_llama", "qwen2"),
        ("attention_gate_llama", "bamba"),
        ("memory_gate_qwen3", "mimo_v2_flash"),
        ("select_gate_olmoe", "smollm3"),
        ("other_gate_olmoe", "olmoe"),
    ],
)
def test_a_page_goes_where_its_title_sorts_it(model: str, above: str) -> None:
    assert next_page(Model(model, "", "", ()), installed_tree()) == above


def test_a_page_goes_above_one_that_is_there(tmp_path: Path) -> None:
    tree = Tree(tmp_path, None, "", {"src/transformers/models/minimax/__init__.py": ""})
    assert next_page(Model("memory_gate_qwen3", "", "", ()), tree) == "minimax"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--model", "llama"],
        ["--model", "llama", "--repo", "a", "--output", "b"],
        ["--model", "llama", "--output", "b", "--stack"],
        ["--model", "llama", "--patch", "b", "--verify"],
        ["--model", "llama", "--repo", "a", "--base-tree", "b"],
        ["--model", "llama", "--repo", "a", "--stack", "--branch", "b"],
    ],
)
def test_what_makes_no_sense_is_said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "error:" in capsys.readouterr().err


def test_an_unknown_model_is_refused_with_a_guess(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "lama", "--verify"]) == 2
    assert "did you mean `llama`?" in capsys.readouterr().err


def test_a_kind_of_gate_without_a_page_for_transformers_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "TEMPLATES", tmp_path / "templates")
    assert main(["--model", "attention_gate_llama", "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "no-templates" in said and "templates/pull_request/attention/" in said and not (tmp_path / "out").exists()
