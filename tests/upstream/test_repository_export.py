"""Branches in a checkout: made whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import few_models, git, state
from upstream.cli import main
from upstream.repository import Branch, draft_command


NEW = {
    "docs/source/en/model_doc/quality_gate_llama.md",
    "src/transformers/models/quality_gate_llama/__init__.py",
    "src/transformers/models/quality_gate_llama/configuration_quality_gate_llama.py",
    "src/transformers/models/quality_gate_llama/modeling_quality_gate_llama.py",
    "src/transformers/models/quality_gate_llama/modular_quality_gate_llama.py",
    "tests/models/quality_gate_llama/__init__.py",
    "tests/models/quality_gate_llama/test_modeling_quality_gate_llama.py",
}
EDITED = {
    "docs/source/en/_toctree.yml",
    "src/transformers/models/__init__.py",
    "src/transformers/models/auto/auto_mappings.py",
    "src/transformers/models/auto/modeling_auto.py",
}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return few_models(tmp_path / "transformers")


def export(repo: Path, *arguments: str, model: str = "llama") -> int:
    return main(["--model", model, "--repo", str(repo), "--no-checks", *arguments])


def changed(repo: Path, base: str = "main", branch: str = "HEAD") -> dict[str, str]:
    """path -> "A" or "M"."""
    lines = git(repo, "diff", "--name-status", base, branch).splitlines()
    return {path: status for status, path in (line.split("\t") for line in lines)}


def test_a_branch_holds_everything_in_one_commit(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(repo, "--draft-command") == 0
    assert git(repo, "rev-parse", "--abbrev-ref", "HEAD").strip() == "add-quality-gate-llama"
    files = changed(repo)
    assert {path for path, status in files.items() if status == "A"} == NEW
    assert {path for path, status in files.items() if status == "M"} == EDITED
    assert git(repo, "rev-list", "--count", "main..HEAD").strip() == "1"
    assert git(repo, "log", "-1", "--format=%s").strip() == "Add QualityGateLlama"
    assert git(repo, "status", "--porcelain") == ""
    git(repo, "checkout", "--quiet", "main")
    said = capsys.readouterr().out
    assert main(["--model", "llama", "--repo", str(repo), "--verify"]) == 2
    assert "wrong-branch" in capsys.readouterr().err
    assert "push --set-upstream origin add-quality-gate-llama && gh pr create --draft" in said
    body = next(Path(line.split()[1]) for line in said.splitlines() if line.startswith("body"))
    text = body.read_text(encoding="utf-8")
    assert "| `QualityGateLlamaDecoderLayer` | `forward` | +" in text
    assert "on the output of `self.post_attention_layernorm`" in text
    assert "- Search for duplicates, with the terms and what was found:\n" in text


def test_a_draft_comes_from_the_fork_that_is_pushed_to(repo: Path) -> None:
    branch = Branch("gates", "Add it", Path("/body of it.md"), ())
    assert "--head gates --title 'Add it' --body-file '/body of it.md'" in draft_command(repo, branch)
    for url, head in (
        ("git@github.com:ada/transformers.git", "ada:gates"),
        ("https://github.com/ada/transformers", "ada:gates"),
        ("https://github.com/huggingface/transformers.git", "gates"),
    ):
        git(repo, "config", "remote.origin.url", url)
        assert f"--base main --head {head} " in draft_command(repo, branch)


def test_it_starts_from_main_wherever_the_checkout_is(repo: Path) -> None:
    git(repo, "checkout", "--quiet", "-b", "elsewhere")
    (repo / "note").write_text("x")
    git(repo, "add", "note")
    git(repo, "commit", "--quiet", "--message=elsewhere")
    assert export(repo) == 0
    assert git(repo, "merge-base", "HEAD", "elsewhere") == git(repo, "rev-parse", "main")


def test_a_parent_comes_along_or_goes_before(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(repo, model="qwen3") == 0
    assert git(repo, "log", "-1", "--format=%s").strip() == "Add QualityGateLlama and QualityGateQwen3"
    git(repo, "checkout", "--quiet", "main")
    git(repo, "branch", "-D", "add-quality-gate-qwen3")
    assert export(repo, "--stack", model="qwen3") == 0
    assert git(repo, "rev-list", "--count", "add-quality-gate-llama..HEAD").strip() == "1"
    on_top = changed(repo, "add-quality-gate-llama")
    assert not any("quality_gate_llama" in path for path in on_top) and len(on_top) == len(NEW | EDITED)


def test_a_parent_in_the_tree_stays_as_it_is(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(repo) == 0
    git(repo, "checkout", "--quiet", "main")
    git(repo, "merge", "--quiet", "--ff-only", "add-quality-gate-llama")
    assert export(repo, model="qwen3") == 0
    assert not any("quality_gate_llama" in path for path in changed(repo))
    body = repo / ".git" / "quality-gate" / "add-quality-gate-qwen3.md"
    assert "`quality_gate_llama`, which the modular file inherits from, is in the tree already." in body.read_text()


def refused(repo: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    before = state(repo)
    assert export(repo, *arguments) == 2
    assert state(repo) == before
    return capsys.readouterr().err


def test_a_dirty_tree_is_refused(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repo / "src" / "transformers" / "models" / "new.py").write_text("x = 1\n")
    assert "dirty-tree" in refused(repo, capsys)
    git(repo, "add", "--all")
    assert "dirty-tree" in refused(repo, capsys)


def test_an_existing_branch_is_refused(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(repo, "branch", "add-quality-gate-llama")
    assert "branch-exists" in refused(repo, capsys)
    assert export(repo, "--branch", "gates") == 0


def test_a_tree_without_transformers_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "src").mkdir()
    assert export(tmp_path) == 2
    assert "not-a-tree" in capsys.readouterr().err


def test_a_folder_inside_another_checkout_is_refused(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inner = repo / "inner"
    (inner / "src" / "transformers" / "models").mkdir(parents=True)
    assert export(inner) == 2
    assert "not-a-checkout" in capsys.readouterr().err


def test_a_rebase_that_is_under_way_is_refused(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repo / ".git" / "rebase-merge").mkdir()
    assert "unfinished" in refused(repo, capsys)


def test_a_model_that_is_there_is_refused(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(repo) == 0
    git(repo, "checkout", "--quiet", "main")
    git(repo, "merge", "--quiet", "--ff-only", "add-quality-gate-llama")
    assert "already-there" in refused(repo, capsys, "--branch", "again")


def test_whatever_fails_on_the_way_leaves_nothing_behind(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repo / "src" / "transformers" / "models" / "qwen3" / "modeling_qwen3.py").write_text("# nothing\n")
    git(repo, "commit", "--quiet", "--all", "--message=break qwen3")
    git(repo, "checkout", "--quiet", "-b", "mine")
    before = state(repo)
    assert export(repo, "--stack", model="qwen3") == 2  # after the branch of the gated Llama was made
    assert state(repo) == before
    assert "modeling_qwen3" in capsys.readouterr().err


def test_a_fault_of_ours_leaves_nothing_behind(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("upstream.repository.render_body", fail)  # the last step, after the commit
    git(repo, "checkout", "--quiet", "--detach")
    before = state(repo)
    with pytest.raises(KeyboardInterrupt):
        export(repo)
    assert state(repo) == before


def test_fixers_of_the_tree_are_run_and_what_they_do_to_others_is_taken_back(repo: Path) -> None:
    script = (
        "import pathlib, sys\nCHECKERS = {'ruff_check': 1, 'inits': 2}\n"
        "pathlib.Path('README.md').write_text('touched') if '--fix' in sys.argv else None\n"
        "sys.exit('ruff_check' in sys.argv)\n"
    )
    (repo / "utils" / "checkers.py").write_text(script)
    (repo / "README.md").write_text("as it was")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message=checkers")
    assert main(["--model", "llama", "--repo", str(repo)]) == 1  # a checker fails, and few models cannot be imported
    assert (repo / "README.md").read_text() == "as it was"
    body = (repo / ".git" / "quality-gate" / "add-quality-gate-llama.md").read_text()
    assert "- [x] `python utils/checkers.py --no-cache inits`" in body
    assert "- [ ] `python utils/checkers.py --no-cache ruff_check`" in body
    assert "**could not be run**" in body
