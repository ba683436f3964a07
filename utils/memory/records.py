"""A record of any known form -> a sentence and what is known of it, or the reason why there is none. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selection.values import EMPTY, NOT_UTF8, WRONG_TYPE, Raw, Reject

from memory.values import NAMED, Record


_TARGET, _SENTENCE, _TEXT = "target", "sentence", "text"


class _Refused(Exception):
    """A record is no sentence: a reason and a detail."""


def sentence_of(raw: Raw) -> Record | Reject:
    """The sentence of a record: of the first of its `target`, else its `sentence`, else its `text`; a text is one itself."""
    name = f"{raw.source}_{raw.number:06d}"
    if raw.reason:
        return Reject(name, raw.source, raw.place, raw.reason, raw.detail)
    try:
        return _record(raw.record)
    except _Refused as refused:
        return Reject(name, raw.source, raw.place, *refused.args)


def _record(record: Any) -> Record:
    if isinstance(record, Mapping) and isinstance(record.get(_TARGET), list) and record[_TARGET]:
        record = record[_TARGET][0]  # the original takes the first alone
    if isinstance(record, str):
        return Record(_checked(record))
    if not isinstance(record, Mapping):
        raise _Refused(
            WRONG_TYPE, f"the record is neither an object nor text, but of the type {type(record).__name__}"
        )
    return Record(_checked(_sentence(record)), _named(record))


def _sentence(record: Mapping[str, Any]) -> str:
    for name in (_SENTENCE, _TEXT):
        value = record.get(name)
        if isinstance(value, str):
            return value
        if value is not None:
            raise _Refused(WRONG_TYPE, f"`{name}` is not text, but of the type {type(value).__name__}")
    raise _Refused(WRONG_TYPE, f"has none of: {_SENTENCE}, {_TEXT}, {_TARGET}")


def _named(record: Mapping[str, Any]) -> dict[str, str]:
    """Numbers are names, too; other values say nothing that a person reads."""
    found = {}
    for name in NAMED:
        value = record.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value):
            found[name] = _checked_name(name, str(value))
    return found


def _checked_name(name: str, value: str) -> str:
    if not _is_whole(value):
        raise _Refused(NOT_UTF8, f"`{name}` has half a character, which UTF-8 cannot write")
    return value


def _checked(sentence: str) -> str:
    if not _is_whole(sentence):
        raise _Refused(NOT_UTF8, "has half a character, which UTF-8 cannot write")
    if not sentence.strip():
        raise _Refused(EMPTY, "nothing but white space")
    return sentence


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
