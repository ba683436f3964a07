"""A conversation as a question: its last answer, and all that was said before. Pure, given a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from diagnostics.errors import words_of
from selection.chat import ASSISTANT, write
from selection.values import Document, Message


Turns = Sequence[Mapping[str, str]]


class Templates(Protocol):
    """What is asked of a tokenizer."""

    chat_template: Any
    eos_token: str | None

    def apply_chat_template(self, conversation: Any, *, tokenize: bool, add_generation_prompt: bool) -> Any: ...


def asked_in(messages: Any, tokenizer: Templates) -> tuple[str, str]:
    """The text up to the last answer, and that answer with what ends it.

    Both are written by the tokenizer's chat template; where it has none, as train_gates.py writes conversations: a line
    with the tag of a role, and the content below.

    Args:
        messages: objects with `role` and `content`, of which the last is an assistant's.
        tokenizer: the model's.

    Raises:
        ValueError: they are none, or the template does not take them.
    """
    turns = _checked(messages)
    if getattr(tokenizer, "chat_template", None):
        before, whole = _templated(turns, tokenizer)
    else:
        before, whole = _tagged(turns, tokenizer.eos_token or "")
    if not whole.startswith(before) or whole == before:
        raise ValueError("`messages` are written otherwise by the chat template once they are answered")
    return before, whole[len(before) :]


def _checked(messages: Any) -> Turns:
    if not isinstance(messages, list) or not messages:
        raise ValueError(f"`messages` is {messages!r}, not a list of messages")
    for each in messages:
        if not isinstance(each, Mapping) or not all(isinstance(each.get(name), str) for name in ("role", "content")):
            raise ValueError(f"`messages` holds {each!r}, which has no text as `role` and `content`")
    if messages[-1]["role"] != ASSISTANT or not messages[-1]["content"].strip():
        raise ValueError(f"`messages` ends with {messages[-1]['role']!r}, not with an answer of the {ASSISTANT}")
    return cast(Turns, messages)


def _templated(turns: Turns, tokenizer: Templates) -> tuple[str, str]:
    try:
        before = tokenizer.apply_chat_template(list(turns[:-1]), tokenize=False, add_generation_prompt=True)
        whole = tokenizer.apply_chat_template(list(turns), tokenize=False, add_generation_prompt=False)
    except Exception as error:  # templates raise what they like, of roles in an order that they do not know
        said = words_of(error, whole=True)[:200]
        raise ValueError(f"`messages` are not taken by the chat template: {said}") from error
    return str(before), str(whole)


def _tagged(turns: Turns, end: str) -> tuple[str, str]:
    said = tuple(Message(each["role"], each["content"]) for each in turns)
    before, whole = (write(Document("", "", messages=part), end).text for part in (said[:-1], said))
    return f"{before}<|{ASSISTANT}|>\n", whole
