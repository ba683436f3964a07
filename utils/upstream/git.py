"""git, as far as an export needs it. Nothing here fetches, pushes, or touches what was committed before."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from upstream.values import refuse


MAIN = ("main", "master")
UNFINISHED = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "BISECT_LOG")


def git(folder: Path, *arguments: str, stdin: str | None = None) -> str:
    """What a git command prints. Raises ConversionError (`git-failed`) with what it complains of."""
    done = _run(folder, arguments, stdin)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split()) or f"it ended with {done.returncode}"
        raise refuse(
            "git-failed", str(folder), f"git {' '.join(arguments[:2])}: {said}", "put that right and try again"
        )
    return done.stdout


def _run(folder: Path, arguments: tuple[str, ...], stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    # The folder decides, whatever repository the surroundings (a hook, say) are about; hooks of ours are not wanted.
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("GIT_DIR")}
    for name in ("GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"):
        surroundings.pop(name, None)
    command = ("git", "-C", str(folder), *arguments)
    try:
        return subprocess.run(command, env=surroundings, input=stdin or "", capture_output=True, encoding="utf-8")
    except OSError as error:
        raise refuse("no-git", "git", str(error), "install git") from None


def exists(folder: Path, reference: str) -> bool:
    """Whether a branch is there."""
    return not _run(folder, ("rev-parse", "--verify", "--quiet", f"refs/heads/{reference}")).returncode


def contains(folder: Path, branch: str) -> bool:
    """Whether what is checked out comes after a branch, or is it."""
    return not _run(folder, ("merge-base", "--is-ancestor", branch, "HEAD")).returncode


def knows_who(folder: Path) -> bool:
    """Whether git knows a name and an address to commit under."""
    return not _run(folder, ("var", "GIT_COMMITTER_IDENT")).returncode


def check_repository(folder: Path) -> str:
    """The name of the main branch of a clean checkout of transformers.

    Raises ConversionError: `not-a-tree`, `not-a-checkout`, `dirty-tree`, `unfinished`, `no-main` or `no-identity`.
    """
    if not (folder / "src" / "transformers" / "models").is_dir():
        fix = "name the root of a checkout of transformers"
        raise refuse("not-a-tree", str(folder), "there is no src/transformers/models in this folder", fix)
    top = _run(folder, ("rev-parse", "--show-toplevel"))
    if top.returncode or Path(top.stdout.strip()).resolve() != folder.resolve():
        fix = "clone transformers, or `git init` and commit what is there"
        raise refuse("not-a-checkout", str(folder), "this is not the root of a git checkout", fix)
    changed = git(folder, "status", "--porcelain").splitlines()
    if changed:
        message = f"{len(changed)} files are changed or untracked, `{changed[0][3:]}` among them"
        raise refuse("dirty-tree", str(folder), message, "commit, stash or remove them")
    for mark in UNFINISHED:
        if (folder / git(folder, "rev-parse", "--git-path", mark).strip()).exists():
            raise refuse("unfinished", str(folder), f"something is half done here: {mark}", "finish or abort it")
    if not knows_who(folder):
        fix = "git config user.name ...; git config user.email ..."
        raise refuse("no-identity", str(folder), "git does not know who commits", fix)
    main = next((name for name in MAIN if exists(folder, name)), None)
    if main is None:
        raise refuse("no-main", str(folder), "there is no local branch `main`", "git branch main <where it should be>")
    return main


def check_branch(folder: Path, branch: str) -> None:
    """Raise ConversionError (`branch-exists`) where the branch is there already."""
    if exists(folder, branch):
        fix = f"delete it with `git branch -D {branch}`, or name another with --branch"
        raise refuse("branch-exists", str(folder), f"there is a branch `{branch}` already", fix)


@contextmanager
def restored_on_failure(folder: Path) -> Iterator[list[str]]:
    """Within it, append the branches that were made: whatever goes wrong, they go, and the checkout is as it was."""
    before = git(folder, "symbolic-ref", "--short", "-q", "HEAD") if _on_branch(folder) else ""
    commit = git(folder, "rev-parse", "HEAD").strip()
    made: list[str] = []
    try:
        yield made
    except BaseException:
        git(folder, "reset", "--quiet", "--hard")
        git(folder, "clean", "--quiet", "-fd")  # it was clean before, so this is ours
        git(folder, "checkout", "--quiet", *([before.strip()] if before else ["--detach", commit]))
        for branch in made:
            if exists(folder, branch):
                git(folder, "branch", "--quiet", "-D", branch)
        raise


def _on_branch(folder: Path) -> bool:
    return not _run(folder, ("symbolic-ref", "-q", "HEAD")).returncode


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files, given by paths relative to a folder."""
    for path, text in texts.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(place, "w", encoding="utf-8", newline="") as file:
            file.write(text)


def commit(folder: Path, message: str, paths: list[str]) -> None:
    """Commit these files, ignored or not, and nothing else."""
    git(folder, "add", "--force", "--", *paths)
    git(folder, "commit", "--quiet", "--no-verify", "--file=-", stdin=message)
