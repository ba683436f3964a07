"""What is peculiar about one architecture, every entry with its reason: `modular/peculiar/<base>.toml`.

An architecture without such a file has nothing that the facts read off its text do not say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from diagnostics.names import nearest
from places import PECULIAR

from facts.entries import Entries, PeculiarError, problem, read_entries


FOLDER = PECULIAR
STEPS = 400  # of training, until losses and gradients have fallen by nine tenths


@dataclass(frozen=True, slots=True)
class Peculiarities:
    """What one file says. Reasons are sentences without a full stop, on one line."""

    path: str = ""  # for messages: "modular/peculiar/zamba.toml"; "" where there is no file
    text: str = field(default="", repr=False)
    tiny: Mapping[str, Any] = field(default_factory=dict)  # field of the text configuration -> its tiny value
    skip: Mapping[str, str] = field(default_factory=dict)  # test, or class of tests, of the rendered suite -> why not
    lacks: Mapping[str, str] = field(default_factory=dict)  # one of entries.FEATURES -> why
    spelled: Mapping[str, str] = field(default_factory=dict)  # our name of a class, less the prefix -> the base's
    experts: tuple[str, ...] = ()  # on disk, the names of an expert's gate, up and down projections
    # of the test file in a pull request to transformers
    upstream_tiny: Mapping[str, Any] = field(default_factory=dict)  # attribute of its tester -> value
    upstream_skip: Mapping[str, str] = field(default_factory=dict)  # test of transformers -> why not
    upstream_states: Mapping[str, list[str]] = field(default_factory=dict)  # kept in a cache beside keys -> its sizes
    exported: Mapping[str, bool] = field(default_factory=dict)  # class of the base -> whether transformers exports it
    training_steps: int = STEPS
    text_checkpoint: str = ""  # on the Hub, of the language model, where its configuration names another: "org/name"

    def check(self, section: str, names: Iterable[str], known: Iterable[str], what: str) -> None:
        """Refuse the first of the names in a section that is not among the known ones, which are each a `what`.

        Raises PeculiarError (`stale-peculiarity`), at the name's line, with the name that it most likely misspells.

        Args:
            section: of the file, for the place of a refusal.
            names: what the section says.
            known: what it may say.
            what: each of these in a word, for the message: "test of the suite".
        """
        known = set(known)
        for name in names:
            if name not in known:
                close = nearest(name, sorted(known))
                fix = f"did you mean `{close}`?" if close else "correct the name, or take the entry out"
                message = f"`{name}` is not a {what}"
                raise problem(self.path, self.text, "stale-peculiarity", message, fix, section, name)


def peculiarities(base: str, folder: Path | None = None) -> Peculiarities:
    """What is peculiar about the architecture of one base, by its folder in transformers: "zamba".

    Raises PeculiarError: `bad-peculiarity` for a file that says what no file may, `no-reason` for an entry without one.
    """
    path = (folder or FOLDER) / f"{base}.toml"
    if not base.isidentifier() or not path.is_file():
        return Peculiarities()
    shown = f"modular/peculiar/{path.name}"
    try:
        return read_peculiarities(path.read_text(encoding="utf-8"), shown)
    except UnicodeDecodeError as error:
        raise problem(shown, "", "bad-peculiarity", f"the file is not UTF-8: {error}", "save it as UTF-8") from None


def described_bases(folder: Path | None = None) -> list[str]:
    """The bases that have such a file, sorted."""
    return sorted(path.stem for path in (folder or FOLDER).glob("*.toml"))


def spellings(folder: Path | None = None) -> Mapping[str, str]:
    """Of all architectures together: how transformers spells what our names of classes spell otherwise."""
    return _spellings(folder or FOLDER)


@cache
def _spellings(folder: Path) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for base in described_bases(folder):
        with suppress(PeculiarError):  # raised where somebody asks for this base, and no trouble of the others
            found |= peculiarities(base, folder).spelled
    return found


@lru_cache(maxsize=512)
def read_peculiarities(text: str, path: str) -> Peculiarities:
    """The content of one file; `path` is for messages. Raises PeculiarError as `peculiarities` does."""
    read = read_entries(text, path)
    return Peculiarities(
        path,
        text,
        tiny=_values(read.get("tiny")),
        skip=_reasons(read.get("skip")),
        lacks=_reasons(read.get("lacks")),
        spelled=_values(read.get("spelled")),
        experts=tuple(_reasons(read.get("checkpoint"))),
        upstream_tiny=_values(read.get("pull_request.tiny")),
        upstream_skip=_reasons(read.get("pull_request.skip")),
        upstream_states=_values(read.get("pull_request.states")),
        exported=_values(read.get("pull_request.exported")),
        training_steps=_values(read.get("pull_request.training")).get("steps", STEPS),
        text_checkpoint=_values(read.get("pull_request.text")).get("checkpoint", ""),
    )


def _values(entries: Entries | None) -> dict[str, Any]:
    return {name: value for name, (value, _) in (entries or {}).items()}


def _reasons(entries: Entries | None) -> dict[str, str]:
    return {name: why for name, (_, why) in (entries or {}).items()}
