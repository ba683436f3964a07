"""Jobs and the cache: under which key a job is kept, when what is kept still holds, and paths in stored warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic

from building.cache import Cache, CachedJob
from building.jobs import Job, Outcome, State
from building.library import Library, View, digest, shown
from building.outputs import survey


_DELTA = "<delta>"  # stands for the modular file's path in stored warnings


@dataclass(frozen=True, slots=True)
class ConversionCache:
    """What earlier runs converted.

    An entry is kept under the digest of what is known before a conversion (the modular file, its target, the tools)
    and names the digest of each module that the conversion went on to read. It holds while all of them are the same.
    """

    cache: Cache | None
    library: Library
    fingerprint: str  # of the tools

    def find(self, job: Job, delta: bytes, fresh: Mapping[str, str | None], keep_texts: bool) -> Outcome | None:
        """The outcome of a job without converting it; None where it has to be converted.

        Args:
            job: the job.
            delta: the bytes of its modular file.
            fresh: module -> its text as earlier jobs of the run will write it, None where they remove it.
            keep_texts: whether the outcome has all texts, also of outputs that are the same on disk.
        """
        entry = self.cache.get(self._key(job, delta)) if self.cache else None
        if entry is None or not self._holds(entry, fresh):
            return None
        states = survey(job, entry.digests)
        texts: dict[str, str] | None = {}
        if keep_texts or any(state in (State.DIFFERS, State.MISSING) for state in states.values()):
            texts = entry.texts()
        if texts is None:
            return None
        paths = {stored: path for path, stored in self._paths(job, entry.reads, entry.warnings)}
        warnings = tuple(replace(one, path=paths.get(one.path, one.path)) for one in entry.warnings)
        return Outcome(job, states, texts, warnings, reads=entry.reads, made_from=entry.made_from, cached=True)

    def keep(self, outcome: Outcome, delta: bytes) -> None:
        """Keep a finished conversion."""
        if self.cache is None or outcome.failed:
            return
        paths = dict(self._paths(outcome.job, outcome.reads, outcome.warnings))
        warnings = tuple(replace(one, path=paths.get(one.path, one.path)) for one in outcome.warnings)
        self.cache.put(self._key(outcome.job, delta), outcome.reads, outcome.texts, warnings, outcome.made_from)

    def _key(self, job: Job, delta: bytes) -> str:
        return digest("\0".join((self.fingerprint, repr(job.target), job.module, digest(delta))).encode())

    def _holds(self, entry: CachedJob, fresh: Mapping[str, str | None]) -> bool:
        view = View(self.library, fresh)
        try:
            return all(view.digest(name) == known for name, known in entry.reads.items())
        except ConversionError:  # a module that cannot be read: converting will say so
            return False

    def _paths(self, job: Job, reads: Iterable[str], warnings: Iterable[Diagnostic]) -> Iterable[tuple[str, str]]:
        """Pairs of a path as messages print it here and the name it is stored under."""
        if not any(warnings):
            return
        yield shown(job.delta), _DELTA
        yield from ((self.library.shown(name), name) for name in reads)
