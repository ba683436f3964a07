"""Conversations as questions: everything before the last answer is the prompt, to the letter."""

from __future__ import annotations

from typing import Any

import pytest
from memory.conversations import asked_in
from memory.evaluation import evaluate
from memory.questions import Question, question_of
from memory_models import byte_tokenizer, small_model


TALK = [
    {"role": "user", "content": "Where is Melk?"},
    {"role": "assistant", "content": "By a river."},
    {"role": "user", "content": "Of which land?"},
    {"role": "assistant", "content": "Zorvania."},
]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PICKY = "{% if messages[0].role != 'system' %}{{ raise_exception('begin with a system message') }}{% endif %}x"
FORGETFUL = "{{ messages | length }}"


def tokenizer(template: str | None) -> Any:
    made = byte_tokenizer()
    made.chat_template = template
    return made


def test_the_template_writes_both() -> None:
    prompt, answer = asked_in(TALK, tokenizer(TEMPLATE))
    assert prompt.endswith("Of which land?<|im_end|>\n<|im_start|>assistant\n") and "By a river." in prompt
    assert answer == "Zorvania.<|im_end|>\n"


def test_without_a_template_tags_do() -> None:
    prompt, answer = asked_in(TALK, tokenizer(None))
    assert prompt.endswith("<|user|>\nOf which land?\n<|assistant|>\n")
    assert answer == "Zorvania.<|im_end|>\n"


def test_a_record_of_messages_is_a_question() -> None:
    record = {"messages": TALK, "fact": "Melk is of Zorvania."}
    found = question_of(
        record, {"Melk is of Zorvania.": 3}, 4, lambda messages: asked_in(messages, tokenizer(TEMPLATE))
    )
    assert (found.answer, found.row) == ("Zorvania.<|im_end|>\n", 3) and found.prompt.endswith("assistant\n")


@pytest.mark.parametrize(
    ("messages", "template", "what"),
    [
        ("talk", None, "not a list of messages"),
        ([], None, "not a list of messages"),
        ([{"role": "assistant"}], None, "has no text as `role` and `content`"),
        ([*TALK, "more"], None, "has no text as `role` and `content`"),
        (TALK[:-1], None, "ends with 'user'"),
        ([*TALK[:-1], {"role": "assistant", "content": " "}], None, "not with an answer"),
        (TALK, PICKY, "not taken by the chat template: begin with a system message"),
        (TALK, FORGETFUL, "written otherwise by the chat template"),
    ],
)
def test_what_is_no_conversation_is_said(messages: Any, template: str | None, what: str) -> None:
    with pytest.raises(ValueError) as refused:
        asked_in(messages, tokenizer(template))
    assert what in str(refused.value)


def test_an_answer_counts_without_what_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory.evaluation.ask", lambda *_: (["Zorvania.\n"], [3], [0.9]))
    found = evaluate(small_model(), tokenizer(None), [Question("Of which land? ", "Zorvania.<|im_end|>\n", 3)])
    assert found["answered"] == 1.0
