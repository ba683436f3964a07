# SPDX-License-Identifier: Apache-2.0
"""The design of the ExplicitLM project: learned product keys whose grid is the bank, and a SwiGLU network."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from transformers import initialization as init

from .configuration import MemoryGateConfig
from .losses import diversity_loss, similarity_loss
from .reading import MemoryReading


def linear_of(inputs: int, outputs: int, rank: int | None) -> nn.Module:
    """A linear map without bias, whole or as the product of two of a rank."""
    if rank is None:
        return nn.Linear(inputs, outputs, bias=False)
    return nn.Sequential(nn.Linear(inputs, rank, bias=False), nn.Linear(rank, outputs, bias=False))


class ProductKeyMemoryGate(nn.Module):
    """Finds candidates by learned product keys: the row `i * root + j` by the i-th first and the j-th second key.

    Source: product keys (arXiv 1907.05242), as ExplicitLM has them.
    """

    def __init__(self, config: MemoryGateConfig, number: int):
        super().__init__()
        self.number, root = number, math.isqrt(config.knowledge_num)
        self.gate_proj = linear_of(config.hidden_size, config.knowledge_dim, config.memory_rank)
        self.keys = nn.Parameter(torch.zeros(2, root, config.knowledge_dim // 2))

    def start_memory(self) -> None:
        """Draw the keys, so that scores of normed queries are about 1."""
        init.normal_(self.keys, std=(self.keys.shape[-1]) ** -0.5)

    def found(self, normed: torch.Tensor, candidates: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows and their log probabilities among each other, best first, `[batch, tokens, candidates]`."""
        halves = zip(self.gate_proj(normed).chunk(2, dim=-1), self.keys)
        tops = [(half @ keys.T).topk(candidates, dim=-1) for half, keys in halves]
        sums = (tops[0].values[..., :, None] + tops[1].values[..., None, :]).flatten(-2)
        best = sums.topk(candidates, dim=-1)
        first = tops[0].indices.gather(-1, best.indices // candidates)
        second = tops[1].indices.gather(-1, best.indices % candidates)
        return first * self.keys.shape[1] + second, best.values.float().log_softmax(-1)

    def forward(self, normed: torch.Tensor, memory: MemoryReading, hidden_states: torch.Tensor) -> None:
        """Leave in `memory` what was chosen for each token of `[batch, tokens, hidden_size]`, and the losses of it."""
        config, bank = memory.config, memory.bank
        rows, log_probabilities = self.found(normed, config.num_candidates)
        unique, which = rows.unique(return_inverse=True)
        token_ids = bank.memory_bank[unique.to(bank.memory_bank.device)]
        mask = bank.masks(token_ids)
        embedded = memory.model.get_input_embeddings()(token_ids.to(normed.device)).float().detach()
        mask = mask.to(normed.device)
        means = (embedded * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        vectors, is_filled = means[which], mask.any(1)[which]
        cosines = F.cosine_similarity(normed[..., None, :].float(), vectors, dim=-1)
        logits = config.similarity_scale * cosines + config.gate_score_weight * log_probabilities
        logits = logits.masked_fill(~is_filled, -1e4)
        weights = chosen(logits, config.num_selected, config.gumbel_temperature, self.training)  # [..., selected, C]
        similarities = (weights * cosines[..., None, :]).sum(-1).mean(-1)
        memory.read_vectors = weights @ vectors  # [batch, tokens, selected, hidden_size]
        memory.read_similarities = similarities
        memory.has_read = is_filled.any(-1)
        best = weights.detach().argmax(-1)
        memory.rows[self.number], memory.found[self.number] = rows.gather(-1, best), is_filled.gather(-1, best)
        visible = memory.visible(normed) & memory.has_read
        uniform = config.diversity_mode == "uniform"
        losses = {
            "similarity_loss": similarity_loss(similarities, visible),
            "diversity_loss": diversity_loss(vectors, None if uniform else log_probabilities.exp(), visible),
        }
        for name, loss in losses.items():
            memory.losses.setdefault(name, {})[self.number] = loss


def chosen(logits: torch.Tensor, number: int, temperature: float, is_drawn: bool) -> torch.Tensor:
    """As many candidates of `[..., candidates]`, best first, as one-hot weights `[..., number, candidates]`.

    In training they are drawn, by Gumbel noise (arXiv 1611.01144), without replacement, and the weights carry the
    gradient of their softmax.
    """
    if is_drawn:
        noise = -torch.empty_like(logits).exponential_().log()
        logits = (logits + noise) / temperature
    weights, left = [], logits
    for _ in range(number):
        soft = left.softmax(-1)
        hard = F.one_hot(left.argmax(-1), left.shape[-1]).to(soft.dtype)
        weights.append(hard - soft.detach() + soft if is_drawn else hard)
        left = left.masked_fill(hard.bool(), -1e5)
    return torch.stack(weights, dim=-2)


class SwiGLUMemoryFusion(nn.Module):
    """Mixes what was read into the residual stream, as far as it is like the text: `alpha * F(normed, read)`."""

    def __init__(self, config: MemoryGateConfig, number: int):
        super().__init__()
        hidden, rank, self.number, self.mode = config.hidden_size, config.memory_rank, number, config.memory_alpha
        width = (1 + config.num_selected) * hidden
        self.gate_proj = linear_of(width, hidden, rank)
        self.up_proj = linear_of(width, hidden, rank)
        self.down_proj = linear_of(hidden, hidden, rank)
        last = self.down_proj if rank is None else self.down_proj[1]
        last.starts_at_zero = config.zero_init_fusion
        self.dropout = nn.Dropout(config.memory_dropout)
        if self.mode == "mlp":
            small = max(hidden // 4, 1)
            self.similarity_gate = nn.Sequential(
                nn.Linear(1, small, bias=False), nn.SiLU(), nn.Linear(small, 1, bias=False)
            )
            self.memory_weight_bias = nn.Parameter(torch.zeros(()))
        elif self.mode == "monotone":
            self.alpha_slope = nn.Parameter(torch.tensor(10.0))
            self.alpha_threshold = nn.Parameter(torch.tensor(0.5))

    def start_memory(self) -> None:
        """Set what is no weight of a linear map."""
        if self.mode == "mlp":
            init.zeros_(self.memory_weight_bias)
        elif self.mode == "monotone":
            init.constant_(self.alpha_slope, 10.0)  # whose softplus is 10, to four digits
            init.constant_(self.alpha_threshold, 0.5)

    def alphas(self, similarities: torch.Tensor) -> torch.Tensor:
        """How much is written by how alike it is, from 0 to 1, `[batch, tokens]` both."""
        if self.mode == "linear":
            return similarities.clamp(0, 1)
        if self.mode == "mlp":
            given = similarities[..., None].to(self.similarity_gate[0].weight.dtype)
            told = self.similarity_gate(given)[..., 0].sigmoid()
            return (told + self.memory_weight_bias).clamp(0, 1)
        return (F.softplus(self.alpha_slope) * (similarities - self.alpha_threshold)).sigmoid()

    def forward(self, normed: torch.Tensor, memory: MemoryReading, hidden_states: torch.Tensor) -> torch.Tensor:
        """What is added to a layer's output `[batch, tokens, hidden_size]`."""
        alphas = self.alphas(memory.read_similarities) * memory.has_read
        memory.alphas[self.number] = alphas.detach()
        both = torch.cat([normed, memory.read_vectors.flatten(-2).to(normed.dtype)], dim=-1)
        mixed = self.dropout(self.down_proj(F.silu(self.gate_proj(both)) * self.up_proj(both)))
        return (alphas[..., None] * mixed).to(hidden_states.dtype)
