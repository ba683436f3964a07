"""A folder that is filled beside its final place and takes it in one step, so that nobody ever finds half of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from files.folders import take_place
from files.locking import lock_folder
from files.writing import PART, write_file
from naming.kinds import MEANT

from checkpoints.errors import CheckpointError
from checkpoints.paths import file_inside, is_there, read_small


PROGRESS = f"{MEANT.attribute}_progress.json"
FOREIGN = "foreign-partial"
_SUFFIX = ".partial"
_LARGEST = 64 << 20  # bytes of PROGRESS


class Staging:
    """`OUTPUT.partial`, from its first file to its renaming.

    It holds PROGRESS from the beginning to the end, with the fingerprint of the run that it belongs to and the names of
    all files that may be in it: a run with the same fingerprint goes on in it, another one starts over. Whatever else is
    there is not ours: the folder is refused, and nothing in it is touched. One process at a time may have it.
    """

    def __init__(self, output: Path, fingerprint: str, names: Iterable[str]) -> None:
        self.output, self.fingerprint = output, fingerprint
        self.folder = partial_folder(output)
        self._names = set(names)
        self._handle: int | None = None

    def __enter__(self) -> Staging:
        _refuse_current_folder(self.output)
        if self.folder.is_symlink():
            raise CheckpointError(self.folder, "is a symbolic link", "move or remove it", code=FOREIGN)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock()
        try:
            found = _record(self.folder)
            _refuse_foreign(self.folder, found)
            if found is None or found.fingerprint != self.fingerprint:
                _empty(self.folder, found)
            self.claim(found.names if found and found.fingerprint == self.fingerprint else ())
        except BaseException:
            self._unlock()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """A refusal takes away what was put there; whatever else stops a run leaves it, to go on from."""
        if isinstance(error, CheckpointError) and not error.resumable:
            _empty(self.folder, _record(self.folder))
            with suppress(OSError):  # it is not empty: somebody has put something in
                self.folder.rmdir()
        self._unlock()

    def claim(self, names: Iterable[str]) -> None:
        """Note that these files are ours as well, before they come into being."""
        self._names |= set(names)
        record = {"partial": True, "fingerprint": self.fingerprint, "files": sorted(self._names)}
        write_file(self.folder / PROGRESS, [json.dumps(record).encode()])

    def has(self, name: str, size: int) -> bool:
        """Whether an earlier run finished this file: files get their names when they are complete."""
        try:
            return (self.folder / name).stat().st_size == size
        except OSError:
            return False

    def publish(self) -> None:
        """Give the folder its final name.

        Raises:
            CheckpointError: another process has made something of that name meanwhile.
        """
        try:
            take_place(self.folder, self.output)
        except FileExistsError as error:
            message = "was made by another process meanwhile"
            raise CheckpointError(self.output, message, "look at it, and choose another --output") from error
        forget_progress(self.output)

    def _lock(self) -> None:
        try:
            self._handle = lock_folder(self.folder)
        except BlockingIOError as error:
            raise CheckpointError(self.folder, "another process is writing it", "wait for it to finish") from error

    def _unlock(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


@dataclass(frozen=True, slots=True)
class _Record:
    """What PROGRESS says."""

    fingerprint: str
    names: frozenset[str]


def _refuse_foreign(folder: Path, record: _Record | None) -> None:
    """Raise CheckpointError (`foreign-partial`) where a folder holds what no run of ours has put there."""
    known = {PROGRESS, *(record.names if record else ())}
    known |= {f"{name}{PART}" for name in known}
    known -= set() if record else {PROGRESS}
    foreign = sorted(name for name in _files(folder) if name not in known)
    if foreign:
        reason = (
            f"contains {foreign[0]}, which this command did not create"
            if record
            else "is not a partial checkpoint of these commands"
        )
        raise CheckpointError(folder, reason, "move or remove it", code=FOREIGN)


def _empty(folder: Path, record: _Record | None) -> None:
    """Remove what is ours: that it is, PROGRESS says, and so it goes last."""
    names = [*(record.names if record else ()), PROGRESS]
    for name in (each for name in names for each in (f"{name}{PART}", name)):
        (folder / name).unlink(missing_ok=True)
    for place, _, _ in os.walk(folder, topdown=False):
        if Path(place) != folder:
            with suppress(OSError):  # something of somebody else's is in it
                os.rmdir(place)


def _files(folder: Path) -> Iterator[str]:
    """Everything below a folder that is no folder itself, by relative path."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        yield from (Path(place, name).relative_to(folder).as_posix() for name in (*files, *links))


def partial_folder(output: Path) -> Path:
    """Where the files of an output are until it is complete."""
    place = Path(os.path.abspath(output))  # "." has no name of its own
    return place.with_name(place.name + _SUFFIX)


def _refuse_current_folder(output: Path) -> None:
    """The folder is replaced by the complete one, and whoever is in it would be left in one that is nowhere."""
    try:
        here = os.path.samefile(output, os.curdir)
    except OSError:  # one of them is not there
        return
    if here:
        fix = "name a new folder as --output, or run the command from elsewhere"
        raise CheckpointError(output, "is the current folder, which would be replaced", fix)


def forget_progress(folder: Path) -> None:
    """Remove what says that a folder is partial; a run that was killed just before this leaves it in a complete one."""
    (folder / PROGRESS).unlink(missing_ok=True)


def was_just_published(output: Path, fingerprint: str) -> bool:
    """Whether a run with this fingerprint was killed between its last two steps: the output is complete then."""
    record = _record(output)
    if record is None or record.fingerprint != fingerprint:
        return False
    forget_progress(output)
    return True


def _record(folder: Path) -> _Record | None:
    """What PROGRESS says of a folder; an empty record where it cannot be read, None where nothing says it is ours."""
    path = folder / PROGRESS
    if not is_there(path):
        return None
    try:
        found = json.loads(read_small(folder, path, _LARGEST))
        names = [name for name in found.get("files", ()) if file_inside(folder, name, path)]
        return _Record(str(found["fingerprint"]), frozenset(names))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, CheckpointError):
        return _Record("", frozenset())
