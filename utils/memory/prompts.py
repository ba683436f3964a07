"""Prompts as batches: what is padding, and padding on the left, from where a model goes on. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def pad_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """What prompts are padded with: the tokenizer's pad token, else what ends a text, else 0; it is masked."""
    found = (tokenizer.pad_token_id, tokenizer.eos_token_id)
    return next((each for each in found if each is not None), 0)


def token_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts as tokens, padded on the left, and their mask: [batch, tokens] each."""
    rows = tokenizer(list(texts), verbose=False)["input_ids"]
    longest = max(map(len, rows))
    ids = torch.tensor([[pad] * (longest - len(row)) + row for row in rows], dtype=torch.int64)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return ids.reshape(len(rows), -1), mask.reshape(len(rows), -1)


def padding_of(ids: torch.Tensor, pad: int, end: int | None) -> torch.Tensor:
    """The mask, [batch, tokens], of prompts that came without one.

    It is 0 for pad tokens before the first other one, and behind the last one. Where the pad token also ends texts, those behind may be meant, and count as tokens.
    """
    used = ids != pad
    before = used.cumsum(1) == 0
    behind = used.flip(1).cumsum(1).flip(1) == 0
    padding = before if pad == end else before | behind
    return (~padding | padding.all(1, keepdim=True)).long()  # nothing but pad tokens: they are the prompt


def answered(answers: torch.Tensor, ends: Sequence[int], pad: int) -> torch.Tensor:
    """The mask, [batch, tokens], of answers: 0 behind the first token that ends a text, and for pad tokens that end one.

    Where nothing `ends` a text, none is padded, and a pad token is a word like others.
    """
    if not ends:
        return torch.ones_like(answers)
    is_end = torch.isin(answers, torch.tensor(list(ends), dtype=answers.dtype, device=answers.device))
    behind = is_end.cumsum(1) > is_end.long()
    padding = ((answers != pad) | is_end).flip(1).cumsum(1).flip(1) == 0
    return (~(behind | padding)).long()


def left_padded(ids: torch.Tensor, mask: torch.Tensor, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The same prompts and their mask, [batch, tokens], with their padding on the left, as short as they can be.

    Tokens keep their order.
    """
    order = mask.argsort(dim=1, stable=True)
    longest = max(1, int(mask.sum(1).max()))
    ids, mask = ids.gather(1, order)[:, -longest:], mask.gather(1, order)[:, -longest:]
    return ids.masked_fill(mask == 0, pad), mask
