"""Generated files on disk: how they compare with what the converter makes, and writing them whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from converter.banner import is_edited, is_sealed, render_banner
from converter.values import Layout
from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from files.locking import lock

from building.jobs import Job, Outcome, State, refused
from building.library import digest, shown


_HEAD = 2048  # a banner ends well before this byte


def survey(job: Job, digests: Mapping[str, str]) -> dict[str, State]:
    """The state of every file the job makes (name -> digest) or once made, by name."""
    disk = {name: _disk_state(job.folder / name, wanted) for name, wanted in digests.items()}
    leftovers = {name: State.LEFTOVER for name in made_before(job) if name not in digests}
    return dict(sorted((disk | leftovers).items()))


def _disk_state(path: Path, wanted: str) -> State:
    try:
        return State.SAME if digest(path.read_bytes()) == wanted else State.DIFFERS
    except FileNotFoundError:
        return State.MISSING
    except OSError:  # a folder, or a file we may not read: writing will say what is wrong
        return State.DIFFERS


def made_before(job: Job) -> list[str]:
    """The names of the files in the job's folder whose banner says they were made from its modular file, sorted."""
    try:
        names = sorted(name for name in os.listdir(job.folder) if name.endswith(".py"))
    except OSError:
        return []
    return [name for name in names if not name.startswith("modular_") and _is_made_from(job, job.folder / name)]


def _is_made_from(job: Job, path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return _mark(job) in file.read(_HEAD)
    except OSError:
        return False


def _mark(job: Job) -> bytes:
    """What the banner of each of the job's files holds, and of no other's: its line up to the modular file's name.

    The release that follows is no part of it, since an upgrade must find the files of the release before.
    """
    banner, origin = render_banner(job.target), job.target.origin
    place = banner.index(origin)
    return banner[banner.rfind("\n", 0, place) + 1 : place + len(origin) + 1].encode()


def changed(outcome: Outcome) -> list[str]:
    """The names of the files that writing would create, replace or remove."""
    return [name for name, state in outcome.states.items() if state not in (State.SAME, State.UNKNOWN)]


def before(path: Path) -> str:
    """The text on disk, "" where there is none. Bytes that are not UTF-8 are replaced: it is for comparing only."""
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def write_all(outcomes: Iterable[Outcome], edges: Mapping[str, Sequence[str]], force: bool) -> list[Outcome]:
    """Write outcomes, parents first; a model whose files were left alone is refused, and what inherits from it skipped.

    Nothing is written of a model whose parent on disk would not be the one it was made from.
    """
    results: dict[str, Outcome] = {}
    for outcome in outcomes:
        name = outcome.job.name
        failed = [parent for parent in edges.get(name, ()) if parent in results and results[parent].failed]
        if failed and not outcome.failed:
            outcome = replace(outcome, blocked_by=failed[0])
        if not outcome.failed:
            try:
                write(outcome, force)
            except ConversionError as error:
                outcome = refused(outcome, error.diagnostics)
        results[name] = outcome
    return list(results.values())


def write(outcome: Outcome, force: bool = False) -> None:
    """Bring the disk up to date with an outcome: all of its files, or none.

    Raises ConversionError: `edited-output` or `foreign-output` for a file that was not left as the converter wrote
    it (unless `force`), `cannot-write` where the disk refuses.
    """
    names = changed(outcome)
    folder = outcome.job.folder
    problems = [] if force else [problem for name in names for problem in _objections(outcome.job, folder / name)]
    if problems:
        raise ConversionError(*problems)
    try:
        os.makedirs(folder, exist_ok=True)
        sweep(folder, outcome.states)
        replace_files({folder / name: outcome.texts[name] for name in names if name in outcome.texts})
        for name in names:
            if outcome.states[name] is State.LEFTOVER:
                os.unlink(folder / name)
    except OSError as error:
        path = shown(error.filename or folder)
        fix = "make the folder writable, or name another with --output"
        raise ConversionError(Diagnostic("cannot-write", path, 1, 1, error.strerror or str(error), fix)) from None


def _objections(job: Job, path: Path) -> Iterable[Diagnostic]:
    """Why a file should not be touched. A file of a tree has no seal, and git knows what it was."""
    if job.target.layout is Layout.TREE or not path.exists():
        return
    text = before(path)
    if is_edited(text):
        fix = f"move the change to {job.target.origin}, or discard it with --force"
        yield Diagnostic("edited-output", shown(path), 1, 1, "this generated file was changed by hand", fix)
    elif not is_sealed(text) or not _is_made_from(job, path):
        fix = "choose another folder, or replace the file with --force"
        message = f"this file was not generated from {job.target.origin}"
        yield Diagnostic("foreign-output", shown(path), 1, 1, message, fix)


def replace_files(texts: Mapping[Path, str]) -> None:
    """Write every text beside its file first and only then put them all in place: a crash leaves whole files.

    What killed runs left beside these files is removed.
    """
    ready: list[tuple[str, str]] = []
    with ExitStack() as held:
        try:
            for path, text in texts.items():
                final = os.path.realpath(path)
                sweep(Path(final).parent, [os.path.basename(final)])
                temporary = os.path.join(
                    os.path.dirname(final), f".{os.path.basename(final)}.{os.urandom(4).hex()}.tmp"
                )
                ready.append((temporary, final))
                _write(temporary, text, _mode(final), held)
            for temporary, final in ready:
                os.replace(temporary, final)
        finally:
            for temporary, _ in ready:
                if os.path.exists(temporary):
                    os.unlink(temporary)


def sweep(folder: Path, names: Iterable[str]) -> None:
    """Remove the temporary files that killed runs left of the files `names`: those that no running process holds."""
    ours = re.compile(rf"\.(?:{'|'.join(map(re.escape, names))})\.[0-9a-f]{{8}}\.tmp")
    try:
        left = [name for name in os.listdir(folder) if ours.fullmatch(name)]
    except OSError:
        return
    for name in left:
        with suppress(OSError), open(folder / name, "rb+") as file:
            lock(file)  # fails where another run is about to put the file in place; Windows removes no open file
            os.unlink(folder / name)


def _mode(path: str) -> int | None:
    return os.stat(path).st_mode & 0o7777 if os.path.exists(path) else None


def _write(path: str, text: str, mode: int | None, held: ExitStack) -> None:
    file = held.enter_context(open(path, "w", encoding="utf-8", newline=""))
    lock(file)
    file.write(text)
    file.flush()
    if mode is not None:
        os.chmod(path, mode)
