"""The whole corpus as one stream: every record has a position, and is a document or says why it is none."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Any

from selection.errors import SelectionError
from selection.reading import CorpusPart, find_parts, read
from selection.records import document_of
from selection.values import DUPLICATE, CorpusEntry, Document, Reject


_TRIED = 1000  # records of a part that are looked at for a document, before all are
_CACHE = 64 << 10  # KiB of memory that ids already seen may take; the rest of them is on disk


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is read, and how."""

    data: tuple[str, ...]  # files, folders, names of data sets
    form: str = "auto"  # of the records: `selection.records.FORMS`

    def parts(self) -> list[CorpusPart]:
        """The files, in the order that they are read in. Raises SelectionError where one is not there."""
        return [part for each in self.data for part in find_parts(each)]

    def check(self) -> None:
        """Read the first record of every data set, and of the first file: what is not there is said before all else.

        Raises SelectionError.
        """
        parts = self.parts()
        for part in [*parts[:1], *(part for part in parts[1:] if part.path is None)]:
            with closing(read(part)) as records:
                next(records, None)

    def described(self) -> dict[str, Any]:
        """What says whether it is the same corpus: names and sizes of its files."""
        return {"form": self.form, "files": [[part.name, part.size] for part in self.parts()]}


def scored_corpus(manifest: Mapping[str, Any], data: Sequence[str] = ()) -> Corpus | None:
    """The corpus that scores are of, to read its texts again; None where its scores are not of a corpus.

    Args:
        manifest: of the folder of scores.
        data: where it is now; where it was scored, without.

    Raises:
        SelectionError: it is not there any more, or its files have other sizes.
    """
    places = data or manifest.get("data") or ()
    if not places:
        return None
    described = manifest.get("corpus") or {}
    corpus = Corpus(tuple(map(str, places)), str(described.get("form", "auto")))
    try:
        now = corpus.described()
    except SelectionError as error:
        fix = "say where it is now: --data, or leave the texts out: --no-texts"
        raise SelectionError(error.path, f"the corpus that was scored {error.message}", fix) from error
    if "files" in described and [size for _, size in now["files"]] != [size for _, size in described.get("files", ())]:
        fix = "score it again, say where the old one is (--data), or leave the texts out: --no-texts"
        raise SelectionError(", ".join(corpus.data), "is not as it was when it was scored: other sizes of files", fix)
    return corpus


def entries(corpus: Corpus, parts: Sequence[CorpusPart] | None = None) -> Iterator[CorpusEntry]:
    """All records in their order; the second of a source with an id is a reject. Memory is bounded."""
    position, before = 0, dict[str, int]()  # records of a source in the files before
    parts = corpus.parts() if parts is None else parts
    read_before, size = 0, sum(part.size or 1 for part in parts)
    with _Seen() as seen:
        for part in parts:
            count = 0
            for count, raw in enumerate(read(part), 1):
                raw = replace(raw, number=raw.number + before.get(part.source, 0))
                found = document_of(raw, corpus.form)
                if isinstance(found, Document) and not seen.is_new(found.source, found.id):
                    detail = f"{found.source} has had a document called so"
                    found = Reject(found.id, found.source, raw.place, DUPLICATE, detail)
                yield CorpusEntry(position, raw.place, found, (read_before + raw.share * (part.size or 1)) / size)
                position += 1
            before[part.source] = before.get(part.source, 0) + count
            read_before += part.size or 1


def check_readable(corpus: Corpus) -> None:
    """Look for a document, so that a mistaken column or form is told before anything is written.

    The beginnings of all files are looked at first: one is found there nearly always.

    Raises SelectionError where there are records and none of them is a document.
    """
    parts = corpus.parts()
    if any(isinstance(found, Document) for _, found in _beginnings(corpus, parts, _TRIED)):
        return
    reasons, details = Counter[str](), dict[str, str]()
    for place, found in _beginnings(corpus, parts, None):
        if isinstance(found, Document):
            return
        reasons[found.reason] += 1
        details.setdefault(found.reason, f"{place}: {found.detail}")
    if reasons:
        counts = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        first = details[reasons.most_common(1)[0][0]]
        message = f"has no document among its {reasons.total():,} records: {counts}; {first}"
        fix = "name the column of the texts, --text-column, or the form of the records, --format"
        raise SelectionError(", ".join(corpus.data), message, fix)


def _beginnings(
    corpus: Corpus, parts: Sequence[CorpusPart], most: int | None
) -> Iterator[tuple[str, Document | Reject]]:
    """The first records of each part, at most so many, with their places; all without a number."""
    for part in parts:
        with closing(read(part)) as records:
            for raw in islice(records, most):
                yield raw.place, document_of(raw, corpus.form)


class _Seen:
    """Names of documents so far, as digests in a temporary file."""

    def __enter__(self) -> _Seen:
        self._folder = TemporaryDirectory(prefix="selection-")
        self._base = sqlite3.connect(f"{self._folder.name}/seen.sqlite", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE}"):
            self._base.execute(f"PRAGMA {pragma}").close()
        self._base.execute("CREATE TABLE seen (name BLOB PRIMARY KEY) WITHOUT ROWID")
        self._base.execute("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()
        self._folder.cleanup()

    def is_new(self, source: str, name: str) -> bool:
        """Whether this is the first of its name, which it is no more from now on."""
        digest = blake2b(f"{len(source)}:{source}{name}".encode(), digest_size=16).digest()
        with closing(self._base.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest,))) as done:
            return done.rowcount == 1
