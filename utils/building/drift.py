"""What another release of transformers changes under the deltas, and whether each delta still applies to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from converter.index import index_module
from converter.provenance import digest_of, find_definition, whole
from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from telling.tools import typed

from building.jobs import Outcome
from building.library import Library, digest
from building.lock import FILE, LockEntry, compare, listed
from building.outputs import before


NONE, DRIFT, BROKEN = 0, 1, 2  # exit statuses
_BANNER_LINES = 3
_OWN = "; the delta has its own"


@dataclass(frozen=True, slots=True)
class ModelDrift:
    """One model against another release."""

    model: str
    release: str  # that the lock has it made from
    changes: tuple[tuple[str, str], ...]  # (base definition, what became of it), sorted
    files: tuple[str, ...]  # outputs that would change below their banners
    verdict: str  # whether the delta still applies
    applies: bool
    edited: bool  # the modular file is not the one the lock knows


class Proven(Protocol):
    """What running the converted models against their bases came to."""

    @property
    def status(self) -> int: ...
    @property
    def text(self) -> str: ...
    @property
    def rows(self) -> Mapping[str, Mapping[str, Any]]: ...


def find_drift(
    outcomes: Iterable[Outcome], deltas: Mapping[str, bytes], recorded: Mapping[str, LockEntry], library: Library
) -> list[ModelDrift]:
    """The drift of each model, given its conversion against the other release.

    Args:
        outcomes: the conversions.
        deltas: the bytes of each modular file, by the name of its job.
        recorded: what the lock says that each model was made from, by the same name.
        library: reads the modules of the other release.
    """
    found = []
    for outcome in sorted(outcomes, key=lambda one: one.job.name):
        name = outcome.job.name
        entry = recorded.get(name)
        changes = sorted(_changes(entry, outcome, library)) if entry else []
        release, edited = (entry.transformers, entry.modular != digest(deltas[name])) if entry else ("?", False)
        files = () if outcome.failed else tuple(_changing(outcome))
        verdict, applies = _verdict(outcome), not outcome.failed
        found.append(ModelDrift(name, release, tuple(changes), files, verdict, applies, edited))
    return found


def status_of(drifts: Iterable[ModelDrift]) -> int:
    """0 where no base definition changed, 1 where any did, 2 where a delta no longer applies."""
    return max((BROKEN if not one.applies else DRIFT if one.changes else NONE for one in drifts), default=NONE)


def unlocked(drifts: Iterable[ModelDrift], folder: str) -> list[Diagnostic]:
    """A warning for each model of which nothing is known to compare with."""
    fix = f"run `{typed('convert')} --all` under the release that generated/ is made from"
    names = [one.model for one in drifts if one.release == "?"]
    message = "there is no entry for `{}`, so that changes under it are not seen"
    return [Diagnostic("not-locked", f"{folder}/{FILE}", 1, 1, message.format(name), fix) for name in names]


def _changes(entry: LockEntry, outcome: Outcome, library: Library) -> Iterator[tuple[str, str]]:
    old, new = entry.made_from, outcome.made_from
    for kept, found, note in ((old.definitions, new.definitions, ""), (old.restated, new.restated, _OWN)):
        for key, word in compare(kept, found):
            if word == "is new" and not outcome.failed:
                yield key, f"new{note}"
            elif word == "changed":
                yield key, f"changed{note}"
            elif word == "is gone" and (fate := _fate(key, kept[key], library)):
                yield key, fate + note
    for key, word in compare(old.imports, new.imports):
        if not outcome.failed and word == "changed":
            yield key, "imports changed"


def _fate(key: str, known: str, library: Library) -> str:
    """What became of a definition that the new conversion does not hold; "" where it is there, unchanged."""
    parts = key.split(".")
    if parts[0] != "models":
        return ""
    module, name = whole(".".join(parts[:3])), ".".join(parts[3:])
    with suppress(ConversionError):
        source = library.load(module)
        if source is None:
            return "vanished with its module"
        statement = find_definition(index_module(source), name)
        return "vanished" if statement is None else "" if digest_of(statement) == known else "changed"
    return "unreadable"


def _changing(outcome: Outcome) -> Iterator[str]:
    """The outputs whose text below the banner, which names the release, is not what is on disk."""
    for name, text in outcome.texts.items():
        if _body(text) != _body(before(outcome.job.folder / name)):
            yield name


def _body(text: str) -> str:
    return text.split("\n", _BANNER_LINES)[-1]


def _verdict(outcome: Outcome) -> str:
    if outcome.problems:
        return "refused: " + ", ".join(sorted({one.code for one in outcome.problems}))
    return f"waits for {outcome.blocked_by}, which is refused" if outcome.blocked_by else "applies"


def render_drift(drifts: Sequence[ModelDrift], release: str) -> str:
    """Two tables, of definitions and of models, and what follows from them."""
    touched: dict[tuple[str, str], list[str]] = {}
    for one in drifts:
        for change in one.changes:
            touched.setdefault(change, []).append(one.model)
    pieces = []
    if touched:
        rows = [(key, word, listed(models)) for (key, word), models in sorted(touched.items())]
        pieces.append(aligned(("base definition", "change", "models"), rows))
    header = ("model", "made from", "changes", "files that change", "delta")
    pieces.append(aligned(header, [_row(one, release) for one in drifts]))
    return "\n".join([*pieces, _conclusion(drifts, release)])


def drift_document(drifts: Sequence[ModelDrift], release: str, proven: Proven | None) -> dict[str, Any]:
    """The same for programs: what became of each model and, where it was run against its base, what that showed."""
    proofs = proven.rows if proven else {}
    models = [asdict(one) | ({"proof": proofs[one.model]} if one.model in proofs else {}) for one in drifts]
    return {"transformers": release, "models": models}


def _row(one: ModelDrift, release: str) -> tuple[str, ...]:
    verdict = f"{one.verdict}; edited since" if one.edited else one.verdict
    files = ", ".join(one.files) or "none" if one.applies else "-"
    return one.model, f"{one.release} -> {release}", str(len(one.changes)), files, verdict


def _conclusion(drifts: Sequence[ModelDrift], release: str) -> str:
    broken = [one for one in drifts if not one.applies]
    moved = [one for one in drifts if one.changes]
    if broken:
        return f"{len(broken)} of {len(drifts)} deltas no longer apply to transformers {release}"
    if moved:
        return f"bases of {len(moved)} of {len(drifts)} models changed; every delta applies to transformers {release}"
    return f"no drift: what {len(drifts)} models are made from is the same in transformers {release}"


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with columns as wide as they need to be."""
    every = [header, *rows]
    widths = [max(len(row[column]) for row in every) for column in range(len(header))]
    ruled = [header, tuple("-" * width for width in widths), *rows]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in ruled)
    return "".join(f"{line}\n" for line in lines)
