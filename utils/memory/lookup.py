"""Rows by the keys of a model: what it would find. Needs torch."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from memory.disk import DiskBank
from memory.encoding import encode_one
from memory.likeness import Likeness
from memory.loading import load_bank, load_model
from memory.values import Row


def by_keys(bank: DiskBank, place: str | Path, query: str, limit: int) -> list[tuple[float, Row]]:
    """The rows that are most like a text for the model of a checkpoint, best first, each with its cosine.

    Raises BankError where bank and model do not fit.

    Args:
        bank: a bank of files.
        place: the folder of the model's checkpoint.
        query: the text.
        limit: how many rows at most.
    """
    model, tokenizer = load_model(place)
    if Path(place).resolve() != bank.folder.resolve():
        load_bank(model, tokenizer, bank.folder)
    ids, _ = encode_one(tokenizer, query, bank.shape, "search")
    rows, scores = Likeness(model, bank.shape).rank(torch.from_numpy(ids)[None], 0, bank.shape.knowledge_num, limit)
    found = {row: score for row, score in zip(rows[0].tolist(), scores[0].tolist(), strict=True) if score > -math.inf}
    return sorted(((found[row.row], row) for row in bank.rows(sorted(found))), key=lambda each: -each[0])
