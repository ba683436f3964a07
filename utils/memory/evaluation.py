"""What a model with a memory knows: rows found, and answers by greedy decoding. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from memory.questions import Question


_AT_A_TIME = 32


@torch.no_grad()
def evaluate(model: Any, tokenizer: Any, questions: Sequence[Question]) -> dict[str, Any]:
    """Ask a model some questions, and compare what it says with their answers.

    Returns:
        `questions`, how many; `answered`, the share whose whole answer was generated; `found`, of those with a row, the
        share where the row was the best one at the last token of the prompt; `let_in`, the share that was let in by more
        than a half; and `wrong`, some that were not answered, with what was said.
    """
    said, rows, alphas = ask(model, tokenizer, [each.prompt for each in questions], _longest(tokenizer, questions))
    with_row = [place for place, each in enumerate(questions) if each.row is not None]
    right = [text.startswith(each.answer.rstrip()) for text, each in zip(said, questions, strict=True)]
    wrong = [
        {
            "prompt": each.prompt,
            "answer": each.answer,
            "said": text,
            "row": each.row,
            "found": row,
            "alpha": round(alpha, 3),
        }
        for each, text, row, alpha, is_right in zip(questions, said, rows, alphas, right, strict=True)
        if not is_right
    ]
    return {
        "questions": len(questions),
        "answered": _mean(right),
        "found": _mean([rows[place] == questions[place].row for place in with_row]),
        "let_in": _mean([alphas[place] > 0.5 for place in with_row]),
        "wrong": wrong[:20],
    }


@torch.no_grad()
def ask(model: Any, tokenizer: Any, prompts: Sequence[str], tokens: int) -> tuple[list[str], list[int], list[float]]:
    """What a model says to prompts, by greedy decoding; the row at each last token, and how far it was let in."""
    said: list[str] = []
    rows: list[int] = []
    alphas: list[float] = []
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    for start in range(0, len(prompts), _AT_A_TIME):
        encoded = [tokenizer(each, add_special_tokens=False).input_ids for each in prompts[start : start + _AT_A_TIME]]
        width = max(map(len, encoded))
        ids = torch.tensor([[padding] * (width - len(each)) + each for each in encoded], device=model.device)
        mask = torch.tensor([[0] * (width - len(each)) + [1] * len(each) for each in encoded], device=model.device)
        outputs = model(ids, attention_mask=mask, output_memory=True, logits_to_keep=1)
        if outputs.memory_rows:
            rows += outputs.memory_rows[-1][:, -1, 0].tolist()
            alphas += outputs.memory_alphas[-1][:, -1].tolist()
        else:
            rows, alphas = rows + [-1] * len(encoded), alphas + [0.0] * len(encoded)
        written = model.generate(
            ids, attention_mask=mask, max_new_tokens=tokens, do_sample=False, pad_token_id=padding
        )
        said += tokenizer.batch_decode(written[:, width:], skip_special_tokens=True)
    return said, rows, alphas


def _longest(tokenizer: Any, questions: Sequence[Question]) -> int:
    return max(len(tokenizer(each.answer, add_special_tokens=False).input_ids) for each in questions) + 1


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0
