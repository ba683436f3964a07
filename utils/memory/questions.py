"""What memory gates are trained on: prompts with answers that a row of the bank holds, and texts that none does. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


IGNORED, NOTHING = -100, -1  # as a target of a token: nothing is known; no row of the bank answers
FIELDS = ("prompt", "answer", "row", "fact", "text")

Tokenize = Callable[[str], list[int]]  # without special tokens
Asked = Callable[[Any], tuple[str, str]]  # messages -> the text up to the last answer, and that


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, the text that is to follow it, and the row that says so: None where none does."""

    prompt: str
    answer: str = ""
    row: int | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """A question as tokens: what is trained on, and the row that each token is to read."""

    input_ids: list[int]
    labels: list[int]
    targets: list[int]

    @property
    def asks(self) -> int:
        """The place of the last token of the prompt, whose query finds the row."""
        return next((place for place, target in enumerate(self.targets) if target != IGNORED), len(self.targets) - 1)


def question_of(record: Any, rows: Mapping[str, int], number: int, asked: Asked | None = None) -> Question:
    """A question of a record.

    Args:
        record: `prompt` and `answer` with `row`, the number of a row, or `fact`, its sentence; a `prompt` whose `row` is
            null, which nothing in the bank answers; `messages` in place of `prompt` and `answer`, whose last is the
            answer; or a plain `text`, of which nothing is known.
        rows: the rows of the bank by their sentences.
        number: how many rows the bank has.
        asked: how messages are written.

    Raises:
        ValueError: with what is wrong of it.
    """
    if not isinstance(record, Mapping):
        raise ValueError(f"is {type(record).__name__}, not an object")
    if "messages" in record and asked is not None:
        prompt, answer = asked(record["messages"])
        record = {**record, "prompt": prompt, "answer": answer}
    for name in ("prompt", "answer", "fact", "text"):
        if name in record and not isinstance(record[name], str):
            raise ValueError(f"`{name}` is {record[name]!r}, not text")
    if "prompt" not in record:
        if not record.get("text"):
            raise ValueError("has none of `prompt`, `messages` and `text`")
        return Question("", record["text"])
    if not record["prompt"]:
        raise ValueError("has an empty `prompt`")
    row = _row_of(record, rows, number)
    if row is not None and not record.get("answer"):
        raise ValueError("has no `answer`")
    return Question(record["prompt"], record.get("answer", ""), row)


def _row_of(record: Mapping[str, Any], rows: Mapping[str, int], number: int) -> int | None:
    if "fact" in record:
        if record["fact"] not in rows:
            raise ValueError(f"`fact` is not a row of the bank: {record['fact']!r}")
        return rows[record["fact"]]
    if "row" not in record:
        raise ValueError("has neither `row` nor `fact`; for a prompt that no row answers, `row` is null")
    row = record["row"]
    if row is not None and (type(row) is not int or not 0 <= row < number):
        raise ValueError(f"`row` is {row!r}, but the bank has the rows 0 to {number - 1}")
    return row


def encode(question: Question, tokenize: Tokenize, longest: int) -> Encoded:
    """A question as tokens, cut to `longest`.

    The last token of the prompt, and those of the answer but its last, are to read the row; the answer is trained on.
    """
    prompt, answer = tokenize(question.prompt), tokenize(question.answer)
    tokens = prompt + answer
    if not question.prompt:
        return Encoded(tokens[:longest], tokens[:longest], [IGNORED] * len(tokens[:longest]))
    labels, targets = [IGNORED] * len(tokens), [IGNORED] * len(tokens)
    first = max(len(prompt) - 1, 0)
    if question.row is None:
        targets[first] = NOTHING
    else:
        labels[len(prompt) :] = answer
        targets[first : len(tokens) - 1] = [question.row] * (len(tokens) - 1 - first)
    return Encoded(tokens[:longest], labels[:longest], targets[:longest])


def padded(encoded: Sequence[Encoded], padding: int) -> dict[str, list[list[int]]]:
    """Questions of several lengths as one batch, padded on the right: what a forward takes, by its names."""
    width = max(len(each.input_ids) for each in encoded)

    def fill(values: list[int], with_: int) -> list[int]:
        return values + [with_] * (width - len(values))

    return {
        "input_ids": [fill(each.input_ids, padding) for each in encoded],
        "attention_mask": [fill([1] * len(each.input_ids), 0) for each in encoded],
        "labels": [fill(each.labels, IGNORED) for each in encoded],
        "memory_targets": [fill(each.targets, IGNORED) for each in encoded],
    }
