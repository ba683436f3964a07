"""The grammar of `modular/peculiar/*.toml`: sections of entries, each with a reason; and where a text says what."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

from diagnostics.errors import ConversionError
from diagnostics.names import nearest
from diagnostics.values import Diagnostic


FEATURES = ("flex_attention", "static_cache")  # what a text may declare, and its model lack
EXPERTS = 3  # projections of one expert: gate, up, down
WHY = "why"
# An entry of a section says one thing, under this key.
SECTIONS: Mapping[str, str] = {
    "tiny": "fields",
    "skip": "tests",
    "lacks": "features",
    "spelled": "classes",
    "checkpoint": "experts",
    "pull_request.tiny": "fields",
    "pull_request.skip": "tests",
    "pull_request.states": "fields",
    "pull_request.training": "steps",
    "pull_request.exported": "classes",
    "pull_request.text": "checkpoint",
}
NONE = "none"  # beside `fields`: the names of those that are None, which TOML cannot write
_CONTENT = {"fields": dict, "classes": dict, "steps": int, "checkpoint": str}  # lists elsewhere
_KINDS = {dict: "a table", int: "a number above 0", str: "a string", list: "a list of names"}
_SINGLE = ("steps", "checkpoint")  # of which there is one for an architecture
_VALUES = {"spelled": str, "pull_request.exported": bool, "pull_request.training": int}
_SHORTEST_REASON = 10  # letters
_TEST = re.compile(r"(?:test_|Test)\w+")
_CHECKPOINT = re.compile(r"[\w.-]+/[\w.-]+")
_UNQUOTABLE = set('"\\\n\r')  # in a reason, which is written between double quotes
_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")
_SEE = "write it as docs/tests.md shows"

Entries = Mapping[str, tuple[Any, str]]  # name -> value (True where it is only named), reason


class PeculiarError(ConversionError):
    """A file of peculiarities was refused, or says what does not fit its architecture."""


def read_entries(text: str, path: str) -> dict[str, Entries]:
    """Section -> what its entries say, together.

    Raises PeculiarError: `bad-peculiarity` for what no file may say, `no-reason` for an entry without one.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        line, column = (int(place[1]), int(place[2])) if place else (1, 1)
        message = f"the file is not TOML: {_PLACE.sub('', str(error)).strip()}"
        raise PeculiarError(Diagnostic("bad-peculiarity", path, line, column, message, "correct this line")) from None
    reader = _Reader(path, text)
    return {name: reader.section(name, entries) for name, entries in reader.sections(tables)}


def problem(
    path: str, text: str, code: str, message: str, fix: str, section: str = "", word: str = "", last: bool = False
) -> PeculiarError:
    """A refusal at the first (or last) place where a section of the text says a word; else where the section begins.

    Args:
        path: of the file, as messages print it.
        text: what is in it.
        code: of the refusal.
        message: what is wrong.
        fix: what to do about it.
        section: the name of the section; without one, the whole text.
        word: what is looked for in it.
        last: whether the last such place is meant.
    """
    places = list(_places(text, section, word)) or list(_places(text, section, section))
    line, column = (places[-1] if last else places[0]) if places else (1, 1)
    return PeculiarError(Diagnostic(code, path, line, column, message, fix))


def _places(text: str, section: str, word: str) -> Iterator[tuple[int, int]]:
    """Lines and columns of a word in a section, or anywhere without one. Comments do not count."""
    current, pattern = "", re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
    for number, line in enumerate(text.splitlines(), 1):
        if head := re.match(r"\s*\[\[?\s*([\w.\s-]+?)\s*\]", line):
            current = re.sub(r"\s", "", head[1])
        found = pattern.search(line)
        if found and not line.lstrip().startswith("#") and f"{current}.".startswith(f"{section}." if section else ""):
            yield number, found.start() + 1


@dataclass(frozen=True, slots=True)
class _Reader:
    """Tables of TOML -> names with their values and reasons, or a refusal that says where."""

    path: str
    text: str

    def sections(self, tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, list[Any]]]:
        """Each section by its dotted name, with its entries."""
        for key, value in tables.items():
            name = prefix + key
            if name in SECTIONS:
                if not isinstance(value, list):
                    raise self._bad(f"`{name}` is one table", f"write its entries below `[[{name}]]`", name, name)
                yield name, value
            elif isinstance(value, dict) and any(each.startswith(f"{name}.") for each in SECTIONS):
                yield from self.sections(value, f"{name}.")
            else:
                known = [each.removeprefix(prefix) for each in SECTIONS if each.startswith(prefix)]
                raise self._unknown(key, known, "section", prefix.rstrip("."))

    def section(self, section: str, entries: list[Any]) -> Entries:
        """What the entries of one section say, together."""
        found: dict[str, tuple[Any, str]] = {}
        for entry in entries:
            if not isinstance(entry, dict):
                fix = f"write it below `[[{section}]]`, with its reason"
                raise self._bad(f"`{entry}` is not an entry", fix, section, section)
            why = self._why(section, entry)
            for name, value in self._content(section, entry):
                if name in found:
                    raise self._bad(f"`{name}` is told twice", "join the two entries", section, name, last=True)
                found[name] = value, why
        return found

    def _why(self, section: str, entry: Mapping[str, Any]) -> str:
        """The reason of an entry, whose keys are those that its section knows."""
        key, why = SECTIONS[section], entry.get(WHY)
        for name in entry:
            if name not in (WHY, key) and (name != NONE or key != "fields"):
                raise self._unknown(name, (WHY, key), "key of an entry", section)
        if not isinstance(why, str) or len(why.strip()) < _SHORTEST_REASON:
            said = entry.get(key)
            named = [each for each in said if isinstance(each, str)] if isinstance(said, list | dict) else []
            message, fix = (
                f"an entry of `{section}` has no `why`",
                'give the reason: `why = "..."`, in a whole sentence',
            )
            raise problem(self.path, self.text, "no-reason", message, fix, section, next(iter(named), key))
        if _UNQUOTABLE & set(why):
            raise self._bad("a reason has quotes, backslashes or ends of lines", "leave them out", section, WHY)
        return why

    def _content(self, section: str, entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Each name that an entry is about, with what it says of it."""
        key = SECTIONS[section]
        content, nothing = entry.get(key), entry.get(NONE)
        for each, said, kind in ((key, content, _CONTENT.get(key, list)), (NONE, nothing, list)):
            absent = said is None and (each == NONE or nothing is not None)
            if not absent and (not isinstance(said, kind) or isinstance(said, bool) or not said):
                raise self._bad(f"`{each}` has to be {_KINDS[kind]}", _SEE, section, each)
        if key == "experts" and isinstance(content, list) and len(content) != EXPERTS:
            raise self._bad(f"an expert has {EXPERTS} projections", "name gate, up and down", section, key)
        pairs = content if isinstance(content, dict) else {key: content} if key in _SINGLE else {}
        for name, value in pairs.items():
            self._check_name(section, name)
            self._check_value(section, name, value)
            yield name, value
        for name in (content if isinstance(content, list) else nothing) or ():
            self._check_name(section, name)
            yield name, None if key == "fields" else True

    def _check_name(self, section: str, name: Any) -> None:
        key = SECTIONS[section]
        if key == "features" and name not in FEATURES:
            raise self._unknown(str(name), FEATURES, "feature", section)
        if key == "tests" and not (isinstance(name, str) and _TEST.fullmatch(name)):
            raise self._bad(
                f"`{name}` is not the name of a test", "name a test, or a class of them", section, str(name)
            )
        if not isinstance(name, str) or not name.isidentifier() or iskeyword(name):
            raise self._bad(f"`{name}` is not a name", "write it as Python does", section, str(name))

    def _check_value(self, section: str, name: str, value: Any) -> None:
        wanted = _VALUES.get(section)
        valid = isinstance(value, wanted) if wanted else _is_plain(value)
        valid &= section != "pull_request.text" or bool(_CHECKPOINT.fullmatch(value))
        if not valid or (wanted is int and value < 1) or (wanted is str and not value.isidentifier()):
            raise self._bad(f"`{name}` cannot be {value!r}", _SEE, section, name)

    def _unknown(self, name: str, known: Iterable[str], what: str, within: str) -> PeculiarError:
        known = list(known)
        close = nearest(name, known)
        fix = f"did you mean `{close}`?" if close else f"there are {', '.join(known)}"
        return self._bad(f"`{name}` is not a {what}{f' of `{within}`' if within else ''}", fix, within, name)

    def _bad(self, message: str, fix: str, section: str, word: str, last: bool = False) -> PeculiarError:
        return problem(self.path, self.text, "bad-peculiarity", message, fix, section, word, last)


def _is_plain(value: Any) -> bool:
    """Whether a value can be written into Python as `repr` writes it."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return isinstance(value, bool | int | float | str) and (not isinstance(value, float) or math.isfinite(value))
