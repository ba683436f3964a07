"""generated/lock.json: from which texts, of which release of transformers, each generated model was made."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from converter.values import Layout, Provenance, Target
from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from files.locking import lock_folder
from telling.tools import typed

from building.jobs import Job, Outcome, State, refused
from building.library import digest, shown
from building.outputs import before, replace_files


FILE = "lock.json"
_TOLD = 3  # changes that an explanation names; more are counted


@dataclass(frozen=True, slots=True)
class LockEntry:
    """What one model was made from."""

    transformers: str  # its release
    modular: str  # digest of the modular file
    made_from: Provenance


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock of a project. `known` are the models of the project where a run makes all of them, otherwise None."""

    folder: Path  # generated/
    known: Collection[str] | None

    def update(self, outcomes: Sequence[Outcome], deltas: Mapping[str, bytes], write: bool) -> list[Outcome]:
        """The outcomes, the stale ones with an explanation, and the lock's own; with `write` it is brought up to date."""
        made = {one.job.name: one for one in outcomes if one.job.name in deltas and not one.failed}
        found = {
            name: LockEntry(one.job.target.release, digest(deltas[name]), one.made_from) for name, one in made.items()
        }
        with _alone(self.folder) if write else suppress():
            recorded: dict[str, LockEntry] = {}
            problems: tuple[Diagnostic, ...] = ()
            try:
                recorded = read_lock(self.folder)
            except ConversionError as error:
                problems = () if write and self.known is not None else error.diagnostics
            entries = {name: one for name, one in recorded.items() if self.known is None or name in self.known}
            own = self._outcome(recorded, dict(sorted((entries | found).items())), problems)
            if write and not own.fresh and not own.failed:
                own = _written(own)
        explained = (
            one if one.fresh or one.job.name not in found else replace(one, why=self._why(recorded, found, one.job))
            for one in outcomes
        )
        return [*explained, *([own] if own.states else [])]

    def _outcome(
        self, recorded: Mapping[str, LockEntry], wanted: Mapping[str, LockEntry], problems: Sequence[Diagnostic]
    ) -> Outcome:
        path = self.folder / FILE
        job = Job(FILE, path, "generated", "generated", self.folder, Target(FILE, Layout.PACKAGE, FILE, "", True))
        if problems:
            return refused(Outcome(job, {FILE: State.UNKNOWN}), problems)
        if not path.exists() and not wanted:
            return Outcome(job, {})
        if recorded == wanted and path.exists():
            return Outcome(job, {FILE: State.SAME})
        differ = sorted(name for name in {*recorded, *wanted} if recorded.get(name) != wanted.get(name))
        state = State.DIFFERS if path.exists() else State.MISSING
        return Outcome(job, {FILE: state}, {FILE: render_lock(wanted)}, why=f"the entries of {listed(differ)}")

    def _why(self, recorded: Mapping[str, LockEntry], found: Mapping[str, LockEntry], job: Job) -> str:
        entry = recorded.get(job.name)
        if entry is None:
            return f"{FILE} has no entry for this model"
        changes = list(explain(entry, found[job.name], job.delta.name))
        return (
            ", ".join(changes) or "what it is made from is the same: edited files, or another state of the converter"
        )


def explain(recorded: LockEntry, found: LockEntry, delta: str) -> Iterator[str]:
    """What has changed between two entries of one model, in a few words each."""
    if recorded.transformers != found.transformers:
        yield f"transformers {recorded.transformers} -> {found.transformers}"
    if recorded.modular != found.modular:
        yield f"{delta} changed"
    old, new = recorded.made_from, found.made_from
    words = [f"{_last(key)} {word}" for key, word in compare(old.definitions, new.definitions)]
    words += [f"{_last(key)} {word}, which the delta restates" for key, word in compare(old.restated, new.restated)]
    words += [f"imports of {_last(key)} {word}" for key, word in compare(old.imports, new.imports)]
    words += [f"{key} {word}" for key, word in compare(old.models, new.models)]
    yield from words[:_TOLD]
    if len(words) > _TOLD:
        yield f"and {len(words) - _TOLD} more changes"


def compare(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(key, "changed", "is new" or "is gone") for each key whose digests differ, sorted."""
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield key, "is new" if key not in old else "is gone" if key not in new else "changed"


def read_lock(folder: Path) -> dict[str, LockEntry]:
    """The entries by model, none where there is no lock. Raises ConversionError (`broken-lock`)."""
    path = folder / FILE
    if not path.exists():
        return {}
    text = before(path)
    try:
        read = json.loads(text)
        if read["seal"] != _seal(text):
            raise ValueError
        return {
            name: LockEntry(one["transformers"], one["modular"], Provenance(**one["made_from"]))
            for name, one in read["models"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        message = "this file was changed by hand, merged or damaged"
        fix = f"run `{typed('convert')} --all`, which writes it anew"
        raise ConversionError(Diagnostic("broken-lock", shown(path), 1, 1, message, fix)) from None


def render_lock(entries: Mapping[str, LockEntry]) -> str:
    """The text of a lock, sealed: the digest on its second line is that of all lines below it."""
    models = {name: asdict(entry) for name, entry in sorted(entries.items())}
    text = json.dumps({"seal": "", "models": models}, indent=1, sort_keys=False) + "\n"
    return text.replace('"seal": ""', f'"seal": "{_seal(text)}"', 1)


def _seal(text: str) -> str:
    return digest(text.split("\n", 2)[-1].encode())


def _written(outcome: Outcome) -> Outcome:
    path = outcome.job.folder / FILE
    try:
        replace_files({path: outcome.texts[FILE]})
    except OSError as error:
        fix = "make the folder writable"
        message = error.strerror or str(error)
        return refused(outcome, [Diagnostic("cannot-write", shown(path), 1, 1, message, fix)])
    return outcome


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other runs from reading the lock until this one has written it.

    Where there are no file locks, two runs at once may lose an entry, which --check then tells.
    """
    with suppress(OSError):
        os.makedirs(folder, exist_ok=True)
    handle = None
    with suppress(OSError):  # a file system without locks; or no folder, and writing will say what is wrong
        handle = lock_folder(folder, wait=True)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _last(key: str) -> str:
    """`LlamaMLP` of `models.llama.modeling_llama.LlamaMLP`, and `LlamaMLP.forward`; of a module, its last part."""
    parts = key.split(".")
    return ".".join(parts[3:]) if key.startswith("models.") and len(parts) > 3 else parts[-1]


def listed(names: Iterable[str]) -> str:
    """Names in a sentence: a few of them, and how many more."""
    names = list(names)
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more
