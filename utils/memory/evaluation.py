"""What a model with a memory knows: rows found, and answers by greedy decoding. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import torch

from memory.prompts import pad_token
from memory.questions import Question


_AT_A_TIME, _ON_A_GPU = 32, 256
_SHOWN = 20  # of what was not answered


class Told(TypedDict):
    """What became of a question."""

    prompt: str
    answer: str
    said: str
    row: int | None  # the one that says the answer
    found: int
    alpha: float
    answered: bool


@torch.no_grad()
def evaluate(model: Any, tokenizer: Any, questions: Sequence[Question]) -> dict[str, Any]:
    """Ask a model some questions, and compare what it says with their answers.

    Returns:
        `questions`, how many have an answer; `answered`, the share of them whose whole answer was generated; of those with
        a row `found`, the share where it was the best one at the last token of the prompt, and `let_in`, the share
        that was let in by more than a half; of those without a row `kept_out`, the share where none was; `each`, what
        became of every question; and `wrong`, some that were not answered.
    """
    # how a word goes on is seen
    longest = max((len(_ids(tokenizer, each.answer)) for each in questions), default=0) + 2
    said, rows, alphas = ask(model, tokenizer, [each.prompt for each in questions], longest)
    told: list[Told] = [
        {
            "prompt": each.prompt,
            "answer": each.answer,
            "said": text,
            "row": each.row,
            "found": row,
            "alpha": round(alpha, 3),
            "answered": begins(text, _shown(tokenizer, each.answer)),
        }
        for each, text, row, alpha in zip(questions, said, rows, alphas, strict=True)
    ]
    asked = [each for each in told if each["answer"]]
    with_row = [each for each in told if each["row"] is not None]
    return {
        "questions": len(asked),
        "answered": _mean([each["answered"] for each in asked]),
        "found": _mean([each["found"] == each["row"] for each in with_row]),
        "let_in": _mean([each["alpha"] > 0.5 for each in with_row]),
        "kept_out": _mean([each["alpha"] <= 0.5 for each in told if each["row"] is None]),
        "each": told,
        "wrong": [each for each in asked if not each["answered"]][:_SHOWN],
    }


@torch.no_grad()
def ask(model: Any, tokenizer: Any, prompts: Sequence[str], tokens: int) -> tuple[list[str], list[int], list[float]]:
    """What a model says to prompts, by greedy decoding; the row at each last token, and how far it was let in.

    Where nothing is read at all, the row is -1.

    Args:
        model: a model with memory gates in evaluation mode.
        tokenizer: the model's.
        prompts: texts that are to be continued.
        tokens: how many are written after each.
    """
    found: dict[int, tuple[str, int, float]] = {}
    encoded = [_ids(tokenizer, each) for each in prompts]
    order = sorted(range(len(prompts)), key=lambda place: len(encoded[place]))
    size = _AT_A_TIME if model.device.type == "cpu" else _ON_A_GPU
    for start in range(0, len(order), size):
        part = order[start : start + size]
        found |= dict(zip(part, _ask(model, tokenizer, [encoded[place] for place in part], tokens), strict=True))
    said, rows, alphas = zip(*(found[place] for place in range(len(prompts)))) if prompts else ((), (), ())
    return list(said), list(rows), list(alphas)


def _ask(model: Any, tokenizer: Any, prompts: Sequence[list[int]], tokens: int) -> list[tuple[str, int, float]]:
    padding, width = pad_token(tokenizer), max(map(len, prompts))
    ids = torch.tensor([[padding] * (width - len(each)) + each for each in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(each)) + [1] * len(each) for each in prompts], device=model.device)
    outputs = model(ids, attention_mask=mask, output_memory=True, logits_to_keep=1)
    rows, alphas = [-1] * len(ids), [0.0] * len(ids)
    if outputs.memory_rows:
        rows, alphas = outputs.memory_rows[-1][:, -1, 0].tolist(), outputs.memory_alphas[-1][:, -1].tolist()
    written = model.generate(
        ids, attention_mask=mask, max_new_tokens=max(tokens, 1), do_sample=False, pad_token_id=padding
    )
    return list(zip(tokenizer.batch_decode(written[:, width:], skip_special_tokens=True), rows, alphas, strict=True))


def begins(text: str, answer: str) -> bool:
    """Whether a text begins with an answer, and not with a longer word: "Tars, of course" is Tars, "Tarsis" is not."""
    text, answer = text.strip(), answer.strip()
    goes_on = text[len(answer) : len(answer) + 1]
    return text.startswith(answer) and not (goes_on.isalnum() and answer[-1:].isalnum())


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False).input_ids
    return ids


def _shown(tokenizer: Any, answer: str) -> str:
    """An answer without the tokens that end it, as what a model says is decoded."""
    text: str = tokenizer.decode(_ids(tokenizer, answer), skip_special_tokens=True)
    return text


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0
