"""Branches in a checkout: made whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pull_request.cli import main
from pull_request.repository import Branch, draft_command
from trees import few_models, git, state


UTILS = Path(__file__).parents[2] / "utils"
NEW = {
    "docs/source/en/model_doc/quality_gate_llama.md",
    "src/transformers/models/quality_gate_llama/__init__.py",
    "src/transformers/models/quality_gate_llama/configuration_quality_gate_llama.py",
    "src/transformers/models/quality_gate_llama/modeling_quality_gate_llama.py",
    "src/transformers/models/quality_gate_llama/modular_quality_gate_llama.py",
    "tests/models/quality_gate_llama/__init__.py",
    "tests/models/quality_gate_llama/test_modeling_quality_gate_llama.py",
}
LLAMA, QWEN3 = "add-quality-gate-llama", "add-quality-gate-qwen3"
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


def changed(repo: Path, base: str = "main", branch: str = LLAMA) -> dict[str, str]:
    """path -> "A" or "M"."""
    lines = git(repo, "diff", "--name-status", base, branch).splitlines()
    return {path: status for status, path in (line.split("\t") for line in lines)}


def files_and_index(repo: Path) -> tuple[object, ...]:
    """What an export may not touch: every file and its times, the index, what is checked out, and the working trees."""
    found = sorted(path for path in repo.rglob("*") if ".git" not in path.relative_to(repo).parts[:1])
    files = [(path, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in found]
    index = (repo / ".git" / "index").read_bytes()
    return (
        files,
        index,
        (repo / ".git" / "HEAD").read_text(),
        git(repo, "worktree", "list"),
        git(repo, "stash", "list"),
    )


def test_a_branch_holds_everything_in_one_commit(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files_and_index(repo)
    assert export(repo, "--draft-command") == 0
    assert files_and_index(repo) == before
    files = changed(repo)
    assert {path for path, status in files.items() if status == "A"} == NEW
    assert {path for path, status in files.items() if status == "M"} == EDITED
    assert git(repo, "rev-list", "--count", f"main..{LLAMA}").strip() == "1"
    assert git(repo, "log", "-1", "--format=%s", LLAMA).strip() == "Add QualityGateLlama"
    said = capsys.readouterr().out
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
    assert git(repo, "merge-base", LLAMA, "elsewhere") == git(repo, "rev-parse", "main")
    assert git(repo, "rev-parse", "--abbrev-ref", "HEAD").strip() == "elsewhere"


def test_a_parent_comes_along_or_goes_before(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(repo, model="qwen3") == 0
    assert git(repo, "log", "-1", "--format=%s", QWEN3).strip() == "Add QualityGateLlama and QualityGateQwen3"
    git(repo, "branch", "-D", QWEN3)
    assert export(repo, "--stack", model="qwen3") == 0
    assert git(repo, "rev-list", "--count", f"{LLAMA}..{QWEN3}").strip() == "1"
    on_top = changed(repo, LLAMA, QWEN3)
    assert not any("quality_gate_llama" in path for path in on_top) and len(on_top) == len(NEW | EDITED)


def test_a_parent_in_the_tree_stays_as_it_is(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(repo) == 0
    git(repo, "merge", "--quiet", "--ff-only", LLAMA)
    assert export(repo, model="qwen3") == 0
    assert not any("quality_gate_llama" in path for path in changed(repo, branch=QWEN3))
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
    git(repo, "merge", "--quiet", "--ff-only", LLAMA)
    assert "already-there" in refused(repo, capsys, "--branch", "again")


def test_whatever_fails_on_the_way_leaves_nothing_behind(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repo / "src" / "transformers" / "models" / "qwen3" / "modeling_qwen3.py").write_text("# nothing\n")
    git(repo, "commit", "--quiet", "--all", "--message=break qwen3")
    git(repo, "checkout", "--quiet", "-b", "mine")
    before = state(repo)
    assert export(repo, "--stack", model="qwen3") == 2  # after the branch of the gated Llama was made
    assert state(repo) == before
    assert "the base has no class `Qwen3DecoderLayer`" in capsys.readouterr().err


def test_a_fault_of_ours_leaves_nothing_behind(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pull_request.repository.render_body", fail)  # the last step, after the commit
    git(repo, "checkout", "--quiet", "--detach")
    before = state(repo)
    with pytest.raises(KeyboardInterrupt):
        export(repo)
    assert state(repo) == before


def test_what_a_person_keeps_in_the_checkout_stays(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files that git was told not to see, edits that it was told not to look for, and a commit that fails."""
    (repo / "thesis.txt").write_text("three years of work")
    readme = repo / ".gitignore"
    git(repo, "config", "status.showUntrackedFiles", "no")
    git(repo, "update-index", "--assume-unchanged", ".gitignore")
    readme.write_text("__pycache__/\n# mine\n")
    git(repo, "config", "commit.gpgsign", "true")
    git(repo, "config", "gpg.program", "false")
    before = files_and_index(repo)
    assert "git-failed" in refused(repo, capsys)
    git(repo, "config", "commit.gpgsign", "false")
    assert export(repo) == 0
    assert files_and_index(repo) == before


def test_a_persons_hooks_are_not_run(repo: Path) -> None:
    for name in ("post-checkout", "pre-commit", "commit-msg", "post-commit", "reference-transaction"):
        hook = repo / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)
    assert export(repo) == 0


def test_a_branch_is_verified_wherever_the_checkout_is(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(repo) == 0
    before = files_and_index(repo)
    assert main(["--model", "llama", "--repo", str(repo), "--verify"]) == 0
    assert files_and_index(repo) == before
    git(repo, "switch", "--quiet", LLAMA)
    modeling = repo / "src/transformers/models/quality_gate_llama/modeling_quality_gate_llama.py"
    modeling.write_text(modeling.read_text() + "\n# edited\n")
    assert main(["--model", "llama", "--repo", str(repo), "--verify"]) == 1  # what is checked out counts, as it is
    assert "stale-generated" in capsys.readouterr().err


def test_work_goes_on_while_an_export_runs(repo: Path, tmp_path: Path) -> None:
    """Ctrl-C, as a terminal sends it, when the branch is there already: what was saved meanwhile is kept."""
    command = [sys.executable, UTILS / "upstream_pr.py", "--model", "llama", "--repo", repo]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in a background ignores it
    ) as process:
        while LLAMA not in git(repo, "branch", "--list"):
            assert process.poll() is None
            time.sleep(0.02)
        activations = repo / "src" / "transformers" / "activations.py"
        activations.write_text(activations.read_text() + "# typed meanwhile\n")
        (repo / "new_work.txt").write_text("x")
        git(repo, "add", "new_work.txt")
        before = files_and_index(repo)[:3]
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (130, "")
    assert files_and_index(repo)[:3] == before
    assert (
        git(repo, "branch", "--list").split() == ["*", "main"] and len(git(repo, "worktree", "list").splitlines()) == 1
    )
    assert not list(scratch.iterdir())


def test_a_killed_export_leaves_nothing_half_done(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The branch is where it began, and can be removed as the next run says."""

    def die(*_: object) -> None:
        os._exit(9)

    monkeypatch.setattr("pull_request.repository.render_body", die)
    before = files_and_index(repo)[:3]
    child = os.fork()
    if not child:
        export(repo)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert files_and_index(repo)[:3] == before
    assert git(repo, "rev-parse", LLAMA) == git(repo, "rev-parse", "main")
    git(repo, "branch", "-D", LLAMA)


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
