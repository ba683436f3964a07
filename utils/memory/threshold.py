"""The similarity from which a row is let in, set by questions that nothing was trained on. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Protocol, cast

import torch

from memory.questions import Encoded
from memory.tasks import gate_of, states_of, with_states


_AT_A_TIME = 64
LEAST = 10  # questions of either kind, without which nothing is set


class Norm(Protocol):
    """What is before the queries of a gate."""

    weight: torch.Tensor


class FindsRows(Protocol):
    """A gate that finds rows by content."""

    norm: Norm
    null_similarity: torch.Tensor  # from which a row is let in: one number

    def queries(self, states: torch.Tensor, memory: object) -> torch.Tensor:
        """Of hidden states, `[batch, tokens, hidden]` -> `[batch, tokens, d]`."""


def held_back(questions: Sequence[Encoded], share: float) -> tuple[list[Encoded], list[Encoded]]:
    """Questions to train on, and those that are held back: all of every so many rows, and every so many without one."""
    if not share:
        return list(questions), []
    every = max(round(1 / share), 2)
    rows = sorted({each.targets[-1] for each in questions if each.targets[-1] >= 0})
    back = set(rows[every - 1 :: every])
    kept: list[Encoded] = []
    held: list[Encoded] = []
    lacking = 0
    for each in questions:
        if each.targets[-1] >= 0:
            is_held = each.targets[-1] in back
        else:
            lacking += 1
            is_held = lacking % every == 0
        (held if is_held else kept).append(each)
    return kept, held


def best_threshold(similarities: Sequence[float], is_right: Sequence[bool], lacking: Sequence[float]) -> float:
    """Where most is right: of questions with a row the right ones let in, of those without kept out, each kind alike.

    Args:
        similarities: of the rows that were found to questions with one.
        is_right: whether that was theirs.
        lacking: similarities of what was found to questions without a row.
    """
    values = sorted({*similarities, *lacking})
    middles = [values[0] - 0.01, *((a + b) / 2 for a, b in zip(values, values[1:])), values[-1] + 0.01]

    def worth(threshold: float) -> float:
        let_in = sum(right and value > threshold for value, right in zip(similarities, is_right, strict=True))
        return let_in / len(similarities) + sum(value <= threshold for value in lacking) / len(lacking)

    most = max(map(worth, middles))
    best = [each for each in middles if worth(each) == most]
    return best[len(best) // 2]


@torch.no_grad()
def set_threshold(model: Any, questions: Sequence[Encoded]) -> float | None:
    """Set the threshold of a gate by questions that end with the token whose query finds the row.

    Returns it; None where there are too few of either kind, and it stays as it was learned.
    """
    rows = torch.tensor([each.targets[-1] for each in questions])
    if min(int((rows >= 0).sum()), int((rows < 0).sum())) < LEAST:
        return None
    gate, bank = cast(FindsRows, gate_of(model)), model.base_model.memory
    found: list[tuple[torch.Tensor, torch.Tensor]] = []
    bank.refresh(model.base_model, gate)
    states = states_of(model, questions)
    for start in range(0, len(questions), _AT_A_TIME):
        batch = with_states([*zip(states, questions, strict=True)][start : start + _AT_A_TIME], 0)
        mask = batch["attention_mask"].bool().to(states[0].device)
        memory = SimpleNamespace(before=None, seen=0, visible=lambda _, mask=mask: mask, sums=None)
        query = gate.queries(batch["states"].to(gate.norm.weight.dtype), memory)[:, -1]  # padding adds nothing to sums
        found.append(bank.find(query, model.config.get_text_config().num_candidates, 1))
    similarities = torch.cat([each[:, 0] for each, _ in found]).cpu()
    is_right = torch.cat([each[:, 0] for _, each in found]).cpu() == rows
    asks = rows >= 0
    best = best_threshold(similarities[asks].tolist(), is_right[asks].tolist(), similarities[~asks].tolist())
    gate.null_similarity.fill_(best)
    return best
