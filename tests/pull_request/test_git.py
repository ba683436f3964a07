"""git as an export uses it: what it reads of a repository, what it refuses, and what it leaves behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from diagnostics.errors import ConversionError
from pull_request import git
from pull_request.patch import make_patch
from pull_request.repository import Branch, Order, checked_out, deliver, draft_command
from pull_request.values import Model


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit on `main`, to be copied."""
    folder = tmp_path_factory.mktemp("git") / "transformers"
    (folder / "src" / "transformers" / "models").mkdir(parents=True)
    git.git(folder, "init", "--quiet", "--initial-branch=main")
    settings = {
        "user.name": "Ann",
        "user.email": "ann@example.com",
        "commit.gpgsign": "false",
        "core.autocrlf": "false",
    }
    for name, value in settings.items():
        git.git(folder, "config", name, value)
    git.write(folder, {"src/transformers/models/a.py": "a = 1\n", "b c.txt": "b\r\n", ".gitignore": "*.log\n"})
    git.commit(folder, "first", ["src", "b c.txt", ".gitignore"])
    return folder


@pytest.fixture
def repo(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LC_ALL", "C")  # what git says is compared
    return Path(shutil.copytree(template, tmp_path / "transformers"))


def refused(run: Callable[[], object]) -> str:
    with pytest.raises(ConversionError) as error:
        run()
    (problem,) = error.value.diagnostics
    assert problem.fix
    return problem.code


def test_a_clean_checkout_says_its_main_branch(repo: Path) -> None:
    assert git.check_repository(repo) == "main"
    git.git(repo, "branch", "--move", "main", "master")
    assert git.check_repository(repo) == "master"
    git.git(repo, "branch", "main")
    assert git.check_repository(repo) == "main"


UNFIT: dict[str, Callable[[Path], object]] = {
    "not-a-tree": lambda repo: shutil.rmtree(repo / "src" / "transformers" / "models"),
    "not-a-checkout": lambda repo: shutil.rmtree(repo / ".git"),
    "dirty-tree": lambda repo: (repo / "new.txt").write_text("x"),
    "unfinished": lambda repo: (repo / ".git" / "BISECT_LOG").write_text("x"),
    "no-main": lambda repo: git.git(repo, "branch", "--move", "main", "trunk"),
}


@pytest.mark.parametrize("code", UNFIT)
def test_what_is_no_clean_checkout_is_refused(code: str, repo: Path) -> None:
    UNFIT[code](repo)
    assert refused(lambda: git.check_repository(repo)) == code


def test_who_commits_has_to_be_known(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, str(repo.parent / "none"))
    assert git.knows_who(repo)
    git.git(repo, "config", "user.useConfigOnly", "true")
    git.git(repo, "config", "--unset", "user.email")
    assert not git.knows_who(repo) and refused(lambda: git.check_repository(repo)) == "no-identity"


def test_the_folder_decides_and_not_what_surrounds_it(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a hook of another repository."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"):
        monkeypatch.setenv(name, str(repo / "nowhere"))
    assert git.check_repository(repo) == "main"


def test_what_git_complains_of_is_said(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConversionError, match="git rev-parse --verify: fatal: Needed a single revision"):
        git.git(repo, "rev-parse", "--verify", "nothing")
    monkeypatch.setenv("PATH", str(repo))
    assert refused(lambda: git.git(repo, "status")) == "no-git"


def test_branches_that_are_there_are_kept(repo: Path) -> None:
    assert git.exists(repo, "main") and not git.exists(repo, "add-x") and git.contains(repo, "main")
    git.check_branch(repo, "add-x")
    git.git(repo, "branch", "add-x")
    assert refused(lambda: git.check_branch(repo, "add-x")) == "branch-exists"
    assert refused(lambda: git.reserve(repo, {}, "add-x", "main")) == "git-failed"


def test_what_is_changed_is_told_without_what_is_new(repo: Path) -> None:
    assert git.changed_files(repo) == []
    git.write(repo, {"b c.txt": "other\n", "new/ü.txt": "new\n"})
    (repo / "src" / "transformers" / "models" / "a.py").unlink()
    assert git.changed_files(repo) == ["b c.txt", "src/transformers/models/a.py"]
    assert (repo / "new" / "ü.txt").read_text(encoding="utf-8") == "new\n"


def test_a_commit_has_its_files_and_no_others(repo: Path) -> None:
    before = git.head(repo)
    git.write(repo, {"wanted.log": "ignored\n", "other.txt": "other\n"})
    git.commit(repo, "# a heading is no comment\n\nand more", ["wanted.log"])
    assert git.head(repo) != before
    assert git.git(repo, "show", "--name-only", "--format=%B").split("\n\n")[-1].split() == ["wanted.log"]
    assert "and more" in git.git(repo, "log", "-1", "--format=%B")


def test_a_tree_of_its_own_goes_with_the_block(repo: Path) -> None:
    with pytest.raises(ZeroDivisionError), git.tree_of_its_own(repo, "main") as tree:
        assert (tree / "src" / "transformers" / "models" / "a.py").exists() and tree != repo
        (tree / "more.txt").write_text("x")
        raise ZeroDivisionError
    assert not tree.exists() and git.git(repo, "worktree", "list").count("\n") == 1
    assert git.changed_files(repo) == []


def test_branches_are_moved_when_all_went_well_and_else_removed(repo: Path) -> None:
    start = git.head(repo)
    with git.branches_on_success(repo) as commits:
        git.reserve(repo, commits, "add-x", "main")
        assert commits == {"add-x": "main"} and git.exists(repo, "add-x")
        git.write(repo, {"x": "x"})
        git.commit(repo, "x", ["x"])
        commits["add-x"] = git.head(repo)
    assert git.git(repo, "rev-parse", "add-x").strip() == git.head(repo) != start
    with pytest.raises(KeyboardInterrupt), git.branches_on_success(repo) as commits:
        git.reserve(repo, commits, "add-y", "main")
        raise KeyboardInterrupt
    assert not git.exists(repo, "add-y") and git.exists(repo, "add-x")


BRANCH = Branch("add-x", "Add X's gate", Path("/tmp/body.md"), ())


@pytest.mark.parametrize(
    ("url", "head"),
    [
        ("git@github.com:ann/transformers.git", "ann:add-x"),
        ("https://github.com/ann/transformers", "ann:add-x"),
        ("https://github.com/huggingface/transformers.git", "add-x"),
        ("", "add-x"),
    ],
)
def test_a_draft_comes_from_whoever_owns_the_fork(repo: Path, url: str, head: str) -> None:
    if url:
        git.git(repo, "remote", "add", "origin", url)
    command = draft_command(repo, BRANCH)
    assert f"--head {head} --title 'Add X'\"'\"'s gate' --body-file /tmp/body.md" in command
    assert command.startswith(f"git -C {repo} push --set-upstream origin add-x && gh pr create --draft")


def test_a_patch_is_taken_with_its_hunks_for_files_that_are_not_at_hand(repo: Path) -> None:
    hunks = "diff --git a/b c.txt b/b c.txt\n--- a/b c.txt\t\n+++ b/b c.txt\t\n@@ -1 +1,2 @@\n b\r\n+more\n"
    before = {"src/transformers/models/a.py": "a = 1\n"}
    after = {"src/transformers/models/a.py": "a = 2\n", "src/transformers/models/new.py": "new = 1\n"}
    text = make_patch(before, after, "Add x\n\n* why\n", hunks)
    assert text.endswith(hunks + "-- \nquality gate\n") and text.count("\n-- \n") == 1
    git.git(repo, "am", "--keep-cr", "--quiet", stdin=text)
    assert git.git(repo, "log", "-1", "--format=%B").strip() == "Add x\n\n* why"
    assert {path: (repo / path).read_text() for path in after} == after
    assert (repo / "b c.txt").read_bytes() == b"b\r\nmore\n" and git.changed_files(repo) == []


def test_a_patch_of_new_files_alone_needs_nothing_from_before() -> None:
    text = make_patch({}, {"a/ü.txt": "ü\n"}, "Add ü", "")
    assert "new file mode 100644" in text and "+ü" in text and text.endswith("+ü\n-- \nquality gate\n")


@pytest.mark.parametrize(
    ("branch", "stack", "there"),
    [
        (None, False, "add-quality-gate-llama-qwen3"),
        ("mine", False, "mine"),
        (None, True, "add-quality-gate-qwen3"),
        ("mine", True, "add-quality-gate-llama"),  # each of a stack has the name of its model
    ],
)
def test_a_branch_that_is_there_is_refused_before_anything_is_made(
    repo: Path, branch: str | None, stack: bool, there: str
) -> None:
    models = [Model(f"quality_gate_{name}", "", "", ()) for name in ("llama", "qwen3")]
    order = Order(repo, models, [each.name for each in models], date(2026, 3, 4), branch, stack, False, None)
    git.git(repo, "branch", there)
    with pytest.raises(ConversionError, match=f"there is a branch `{there}` already"):
        deliver(order, print)
    assert git.git(repo, "branch", "--format=%(refname:short)").split() == sorted([there, "main"])


def test_of_a_stack_what_main_has_already_needs_no_branch(repo: Path) -> None:
    models = [Model("quality_gate_llama", "", "", ())]
    order = Order(repo, models, [], date(2026, 3, 4), None, True, False, None)
    git.write(repo, {"src/transformers/models/quality_gate_llama/__init__.py": ""})
    git.commit(repo, "llama", ["src"])
    assert deliver(order, print) == [] and deliver(replace(order, models=[]), print) == []


def test_files_of_a_branch_are_where_it_is_checked_out_or_in_a_tree_for_the_purpose(repo: Path) -> None:
    git.git(repo, "checkout", "--quiet", "-b", "add-x")
    git.write(repo, {"x": "x"})
    git.commit(repo, "x", ["x"])
    for branch in ("add-x", "main", "none"):
        with checked_out(repo, branch) as folder:
            assert folder == repo  # `main` comes before it
    git.git(repo, "checkout", "--quiet", "main")
    with checked_out(repo, "add-x") as folder:
        assert folder != repo and (folder / "x").exists() and not (repo / "x").exists()
