"""git, as far as an export needs it.

Nothing here fetches, pushes, or touches what was committed before; nor a person's working tree, index or stash: an export
is put together in a working tree of its own, and only branches come out of it.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pull_request.values import refuse


MAIN = ("main", "master")
UNFINISHED = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "BISECT_LOG")


def git(folder: Path, *arguments: str, stdin: str | None = None) -> str:
    """What a git command prints.

    Raises ConversionError: `git-failed` with what it complains of, `no-git` where git cannot be started.
    """
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
    command = ("git", "--no-optional-locks", "-c", f"core.hooksPath={os.devnull}", "-C", str(folder), *arguments)
    try:
        return subprocess.run(command, env=surroundings, input=stdin or "", capture_output=True, encoding="utf-8")
    except OSError as error:
        raise refuse("no-git", "git", str(error), "install git") from None


def exists(folder: Path, reference: str) -> bool:
    """Whether a branch is there. Raises ConversionError (`no-git`) where git cannot be started."""
    return not _run(folder, ("rev-parse", "--verify", "--quiet", f"refs/heads/{reference}")).returncode


def contains(folder: Path, branch: str) -> bool:
    """Whether what is checked out comes after a branch, or is it. Raises ConversionError (`no-git`)."""
    return not _run(folder, ("merge-base", "--is-ancestor", branch, "HEAD")).returncode


def knows_who(folder: Path) -> bool:
    """Whether git knows a name and an address to commit under. Raises ConversionError (`no-git`)."""
    return not _run(folder, ("var", "GIT_COMMITTER_IDENT")).returncode


def check_repository(folder: Path) -> str:
    """The name of the main branch of a clean checkout of transformers. Reads it, and changes nothing.

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
            raise refuse("unfinished", str(folder), f"git has something unfinished here: {mark}", "finish or abort it")
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
def tree_of_its_own(repo: Path, commit: str) -> Iterator[Path]:
    """A second working tree of a repository, outside of it and on no branch; it goes when the block ends, however."""
    with TemporaryDirectory(prefix="upstream-pr-", ignore_cleanup_errors=True) as folder:
        tree = Path(folder).resolve() / "transformers"
        try:
            git(repo, "worktree", "add", "--quiet", "--detach", str(tree), commit)
            yield tree
        finally:
            with _undisturbed():
                _run(repo, ("worktree", "remove", "--force", "--force", str(tree)))


@contextmanager
def branches_on_success(repo: Path) -> Iterator[dict[str, str]]:
    """Within it, reserve branches, and set the commit of each: they are moved there when all went well, else removed.

    Until then a branch is where it began, so that a run that is killed leaves no half of an export behind.
    """
    wanted: dict[str, str] = {}
    try:
        yield wanted
        for branch, commit in wanted.items():
            git(repo, "branch", "--quiet", "--no-track", "--force", branch, commit)
    except BaseException:
        with _undisturbed():
            for branch in wanted:
                _run(repo, ("branch", "--quiet", "-D", branch))
        raise


def reserve(repo: Path, wanted: dict[str, str], branch: str, start: str) -> None:
    """Make a branch, and note it in `wanted`. Raises ConversionError (`git-failed`) where somebody else made it.

    Args:
        repo: the repository.
        wanted: branch -> commit that it is to be at; see `branches_on_success`.
        branch: its name.
        start: the commit that it begins at.
    """
    with _undisturbed():
        git(repo, "branch", "--quiet", "--no-track", branch, start)
        wanted[branch] = start


def head(folder: Path) -> str:
    """The commit that is checked out."""
    return git(folder, "rev-parse", "HEAD").strip()


def changed_files(folder: Path) -> list[str]:
    """What differs from the commit that is checked out, without new files."""
    items = iter(git(folder, "status", "--porcelain", "-z", "--no-renames", "--untracked-files=no").split("\0"))
    return [item[3:] for item in items if item]


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a Ctrl-C wait until this is done, here and in the commands that are run."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files, given by paths relative to a folder. Raises ConversionError (`cannot-write`)."""
    with writing(folder):
        for path, text in texts.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            with open(place, "w", encoding="utf-8", newline="") as file:
                file.write(text)


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Within it, raise ConversionError (`cannot-write`) where the disk refuses; of `place`, if it does not say of what."""
    try:
        yield
    except OSError as error:
        fix = "free it, or name a place that can be written to"
        raise refuse("cannot-write", str(error.filename or place), error.strerror or str(error), fix) from None


def commit(folder: Path, message: str, paths: list[str]) -> None:
    """Commit these files, ignored or not, and nothing else."""
    git(folder, "add", "--force", "--", *paths)
    git(folder, "commit", "--quiet", "--no-verify", "--file=-", stdin=message)
