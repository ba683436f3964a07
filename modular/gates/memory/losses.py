# SPDX-License-Identifier: Apache-2.0
"""What memory gates learn from."""

import torch
import torch.nn.functional as F
from torch import nn

from .reading import MemoryReading


NOTHING = -1  # as a target: no row of the bank answers


def retrieval_loss(gate: nn.Module, queries: torch.Tensor, memory: MemoryReading) -> torch.Tensor:
    """How well queries `[batch, tokens, knowledge_dim]` tell their rows from others, and from there being none.

    For the first token of each run of one target it is the cross-entropy of finding that row among the rows of the
    batch and others drawn from the bank, with the learned threshold as one more choice (InfoNCE, arXiv 1807.03748),
    and half of that of choosing the threshold once the row is gone. For tokens whose target is -1 the threshold is
    right. Neighbours of a row, which often are about the same, are always among the others.
    """
    targets = memory.targets
    before = F.pad(targets[:, :-1], (1, 0), value=-100)
    finds = (targets >= 0) & (targets != before)
    wanted, lacking = targets[finds], queries[targets == NOTHING]
    rows = candidate_rows(wanted, len(memory.bank.memory_bank), memory.config.memory_negatives)
    token_ids = memory.bank.memory_bank[rows.to(memory.bank.memory_bank.device)]
    is_kept = (memory.bank.lengths(token_ids) > 0).to(rows.device) | torch.isin(rows, wanted)
    rows, token_ids = rows[is_kept], token_ids[is_kept.to(token_ids.device)]
    scale, threshold = gate.log_scale.exp().clamp(max=100), gate.null_similarity
    loss = queries.sum() * 0.0
    if not len(rows):
        return loss
    states = memory.bank.states_of(memory.model, rows).to(queries.device)
    keys = gate.keys(states, memory.bank.masks(token_ids).to(queries.device))
    if len(wanted):
        logits = with_threshold(queries[finds] @ keys.T, threshold) * scale
        right = torch.searchsorted(rows, wanted)
        loss = loss + F.cross_entropy(logits, right)
        without = logits.scatter(1, right[:, None], -1e4)
        loss = loss + 0.5 * F.cross_entropy(without, torch.full_like(right, len(rows)))
    if len(lacking):
        logits = with_threshold(lacking @ keys.T, threshold) * scale
        loss = loss + F.cross_entropy(logits, torch.full_like(logits[:, 0], len(rows), dtype=torch.long))
    return loss


def with_threshold(cosines: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """Cosines `[queries, rows]` with one more column, of the threshold."""
    return torch.cat([cosines, threshold.expand(len(cosines), 1)], dim=-1)


def candidate_rows(wanted: torch.Tensor, number: int, most: int) -> torch.Tensor:
    """The rows that queries are told apart from, ascending: those wanted, their neighbours, and others drawn at random."""
    near = (wanted[:, None] + torch.arange(-2, 3, device=wanted.device)).flatten().unique()
    near = near[(near >= 0) & (near < number)]
    drawn = torch.randint(number, (max(most - len(near), 0),), device=wanted.device)
    return torch.cat([near, drawn]).unique()


def similarity_loss(similarities: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
    """The mean of the similarities of what was chosen, `[batch, tokens]`, with the sign turned; padding is left out."""
    return -(similarities * visible).sum() / visible.sum().clamp(min=1)


def diversity_loss(vectors: torch.Tensor, probabilities: torch.Tensor | None, visible: torch.Tensor) -> torch.Tensor:
    """How alike the candidates of a token are: the mean cosine of pairs of `[batch, tokens, candidates, hidden_size]`.

    With `probabilities` of the candidates, `[batch, tokens, candidates]`, pairs are weighted by their product, so that
    the gate learns from it.
    """
    number = vectors.shape[-2]
    if number < 2:
        return vectors.sum() * 0.0
    vectors = F.normalize(vectors, dim=-1)
    cosines = vectors @ vectors.transpose(-1, -2)
    weights = (
        torch.ones_like(cosines) if probabilities is None else probabilities[..., None] * probabilities[..., None, :]
    )
    weights = weights * ~torch.eye(number, dtype=torch.bool, device=vectors.device)
    pairs = (weights * cosines).sum((-1, -2)) / weights.sum((-1, -2)).clamp(min=1e-9)
    return (pairs * visible).sum() / visible.sum().clamp(min=1)
