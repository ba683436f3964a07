"""A record of any known form -> a document, or the reason why it is none. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from selection.values import EMPTY, NOT_A_NUMBER, NOT_UTF8, TARGET_COLUMNS, WRONG_TYPE, Document, Message, Raw, Reject


_ROLES = {"human": "user", "gpt": "assistant", "system": "system"}  # of OpenHermes
_KNOWN = ("system", "user", "assistant")
_SHOWN = 8  # columns of a record that has none of the known ones


class _Refused(Exception):
    """A record is no document: a reason of `values`, and a detail."""


def document_of(raw: Raw, form: str = "auto") -> Document | Reject:
    """The document of a record.

    Args:
        raw: the record as it was read.
        form: one of FORMS; "auto" goes by the columns that the record has; "text:NAME" takes the text of a column.
    """
    record, name = raw.record, f"{raw.source}_{raw.number:06d}"
    if raw.reason:
        return Reject(name, raw.source, raw.place, raw.reason, raw.detail)
    try:
        if not isinstance(record, Mapping):
            raise _Refused(WRONG_TYPE, f"the record is not an object, but {_kind(record)}")
        source = _name(record, ("dataset", "source"), raw.source)
        name = _name(record, ("id",), name)
        form, _, column = (_form(record) if form == "auto" else form).partition(":")
        text, messages = (_text(record, column), ()) if column else FORMS[form](record)
        _refuse_halves(name, source, text, *(each.content for each in messages))
        if not text.strip() and not any(each.content for each in messages):
            raise _Refused(EMPTY, "nothing but white space")
        return Document(name, source, text, messages, _target(record))
    except _Refused as refused:
        reason, detail = refused.args
        printable = name.encode("utf-8", "backslashreplace").decode()
        return Reject(printable, raw.source, raw.place, reason, detail)


def as_record(document: Document) -> dict[str, Any]:
    """A document as a line of a training set: `dataset`, `id`, and `messages` or `text`."""
    head = {"dataset": document.source, "id": document.id}
    if document.messages:
        return head | {"messages": [{"role": each.role, "content": each.content} for each in document.messages]}
    return head | {"text": document.text}


def _form(record: Mapping[str, Any]) -> str:
    for form, columns in _COLUMNS.items():
        if all(column in record for column in columns):
            return form
    there = ", ".join(map(repr, map(str, list(record)[:_SHOWN])))
    known = "messages, text, conversations, question and answer, problem and solution"
    raise _Refused(WRONG_TYPE, f"has none of: {known}; its columns are {there or 'none'}")


def _standard(record: Mapping[str, Any]) -> tuple[str, tuple[Message, ...]]:
    messages = _list(record, "messages")
    return "", tuple(
        _message(each, "role", "content", {role: role for role in _KNOWN}, strict=True) for each in messages
    )


def _openhermes(record: Mapping[str, Any]) -> tuple[str, tuple[Message, ...]]:
    found = (_message(each, "from", "value", _ROLES, strict=False) for each in _list(record, "conversations"))
    return "", tuple(each for each in found if each.role and (each.content or each.role != "system"))


def _pair(question: str, answer: str) -> Callable[[Mapping[str, Any]], tuple[str, tuple[Message, ...]]]:
    def convert(record: Mapping[str, Any]) -> tuple[str, tuple[Message, ...]]:
        texts = (("user", _text(record, question)), ("assistant", _text(record, answer)))
        return "", tuple(Message(role, text.strip()) for role, text in texts)

    return convert


def _plain(record: Mapping[str, Any]) -> tuple[str, tuple[Message, ...]]:
    return _text(record, "text"), ()


FORMS: dict[str, Callable[[Mapping[str, Any]], tuple[str, tuple[Message, ...]]]] = {
    "standard": _standard,
    "text": _plain,
    "openhermes": _openhermes,
    "gsm8k": _pair("question", "answer"),
    "hendrycks_math": _pair("problem", "solution"),
}
_COLUMNS = {
    "standard": ("messages",),
    "text": ("text",),
    "openhermes": ("conversations",),
    "gsm8k": ("question", "answer"),
    "hendrycks_math": ("problem", "solution"),
}


def _message(each: Any, role: str, content: str, roles: Mapping[str, str], strict: bool) -> Message:
    if not isinstance(each, Mapping):
        raise _Refused(WRONG_TYPE, f"a message is not an object, but {_kind(each)}")
    named = _text(each, role)
    if strict and named not in roles:
        raise _Refused(WRONG_TYPE, f"a message has the role {named[:40]!r}, and the roles are {', '.join(roles)}")
    return Message(roles.get(named, ""), _text(_with_joined_parts(each, content), content).strip())


def _with_joined_parts(message: Mapping[str, Any], content: str) -> Mapping[str, Any]:
    """A message whose content is one text, where it is a list of parts that are texts: `{"type": "text", "text": ...}`."""
    parts = message.get(content)
    if not isinstance(parts, list) or not parts:
        return message
    for part in parts:
        if not isinstance(part, Mapping) or part.get("type") != "text":
            kind = part.get("type") if isinstance(part, Mapping) else None
            raise _Refused(WRONG_TYPE, f"a message has a part of the type {str(kind)[:40]!r}, and only text is read")
    return {**message, content: "".join(_text(part, "text") for part in parts)}


def _list(record: Mapping[str, Any], name: str) -> list[Any]:
    value = record.get(name)
    if not isinstance(value, list):
        raise _Refused(NOT_A_NUMBER if _is_nan(value) else WRONG_TYPE, f"`{name}` is not a list, but {_kind(value)}")
    if not value:
        raise _Refused(EMPTY, f"`{name}` is empty")
    return value


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise _Refused(NOT_A_NUMBER if _is_nan(value) else WRONG_TYPE, f"`{name}` is not text, but {_kind(value)}")
    return value


def _name(record: Mapping[str, Any], columns: tuple[str, ...], otherwise: str) -> str:
    """The first of some columns that names something; numbers are names, too."""
    for column in columns:
        value = record.get(column)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise _Refused(NOT_A_NUMBER if _is_nan(value) else WRONG_TYPE, f"`{column}` is {_kind(value)}")
        if str(value):
            return str(value)
    return otherwise


def _target(record: Mapping[str, Any]) -> float | None:
    for column in TARGET_COLUMNS:
        value = record.get(column)
        if value is None:
            continue
        if not isinstance(value, bool | int | float):
            raise _Refused(WRONG_TYPE, f"`{column}` is not a number, but {_kind(value)}")
        if value > 1 or math.isinf(value):
            raise _Refused(WRONG_TYPE, f"`{column}` is {value}, and 1 is the most")
        return None if value < 0 or math.isnan(value) else float(value)
    return None


def _refuse_halves(*texts: str) -> None:
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Refused(NOT_UTF8, "has half a character, which UTF-8 cannot write") from None


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _kind(value: Any) -> str:
    return "missing or null" if value is None else f"of the type {type(value).__name__}"
