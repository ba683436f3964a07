# SPDX-License-Identifier: Apache-2.0
"""The content design: rows are found by what they say, and their tokens copied by attention over them."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from transformers import initialization as init

from .configuration import MemoryGateConfig
from .losses import retrieval_loss
from .reading import MemoryReading


LEAST_ALPHA = 0.02  # below, nothing is read
MOST_WEIGHT = 10.0  # of a token in a pool, as a logarithm: sums of its exponential stay in range


class MemoryNorm(nn.RMSNorm):
    """A norm in float32, whatever its input is."""

    def start_memory(self) -> None:
        """Change nothing."""
        init.ones_(self.weight)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """`[..., hidden_size]` to the same in float32."""
        return super().forward(hidden_states.to(self.weight.dtype))


class MemoryGate(nn.Module):
    """Finds rows by content: one encoder makes keys of rows, and queries of the text up to each token.

    A pool of several heads weights the states of tokens, each by a number of its own; its sum is projected and has the
    norm 1. A query is the same of all tokens so far, with weights of its own besides: a running sum, so that a cache
    holds sums alone. Rows are found by the cosine of query and key. Below a learned cosine nothing is in the bank.
    """

    def __init__(self, config: MemoryGateConfig):
        super().__init__()
        self.heads, self.width, self.sharpness = config.memory_heads, config.knowledge_dim, config.memory_sharpness
        self.start = config.memory_null_similarity
        hidden = config.hidden_size
        self.norm = MemoryNorm(hidden, eps=1e-6)
        self.row_weights = nn.Linear(hidden, self.heads, bias=False)
        self.query_weights = nn.Linear(hidden, self.heads, bias=False)
        self.projection = nn.Linear(hidden, self.heads * self.width, bias=False)
        self.row_weights.starts_at_zero = self.query_weights.starts_at_zero = True
        self.null_similarity = nn.Parameter(torch.tensor(float(self.start)))
        self.log_scale = nn.Parameter(torch.tensor(math.log(14.0)))

    def start_memory(self) -> None:
        """Set what is no weight of a linear map."""
        init.constant_(self.null_similarity, self.start)
        init.constant_(self.log_scale, math.log(14.0))

    def weights(self, states: torch.Tensor, mask: torch.Tensor, is_query: bool) -> torch.Tensor:
        """How much each token of normed states counts in a pool, `[batch, tokens, heads]`."""
        logits = self.row_weights(states)
        if is_query:
            logits = logits + self.query_weights(states)
        return (MOST_WEIGHT * (logits / MOST_WEIGHT).tanh()).exp() * mask[..., None]

    def keys(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Keys of rows, `[rows, knowledge_dim]`, of their states `[rows, knowledge_length, hidden_size]`."""
        states = self.norm(states)
        weights = self.weights(states, mask, is_query=False)
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-6)
        pooled = torch.einsum("nkh,nkd->nhd", weights, states)
        parts = self.projection.weight.unflatten(0, (self.heads, self.width))
        return F.normalize(torch.einsum("nhd,hwd->nw", pooled, parts).float(), dim=-1)

    def queries(self, hidden_states: torch.Tensor, memory: MemoryReading) -> torch.Tensor:
        """Queries `[batch, tokens, knowledge_dim]`, each of all tokens up to its own.

        Raises ValueError for a cache with tokens that no memory gate has seen.
        """
        if memory.before is None and memory.seen:
            raise ValueError(
                "This cache was filled by a model without memory gates, so that what was read before is not in it: "
                "start with an empty cache."
            )
        states = self.norm(hidden_states)
        weights = self.weights(states, memory.visible(hidden_states), is_query=True).transpose(1, 2)[..., None]
        projected = self.projection(states).unflatten(-1, (self.heads, self.width)).transpose(1, 2)
        weights, projected = weights.float(), projected.float()
        sums = [(weights * projected).cumsum(2), weights.cumsum(2)]  # [batch, heads, tokens, knowledge_dim or 1]
        if memory.before is not None:
            sums = [each + before[:, :, -1:].to(each.device) for each, before in zip(sums, memory.before)]
        memory.sums = sums[0], sums[1]
        return F.normalize((sums[0] / sums[1].clamp(min=1e-6)).sum(1), dim=-1)

    def forward(self, normed: torch.Tensor, memory: MemoryReading, hidden_states: torch.Tensor) -> None:
        """Find rows for each token of `[batch, tokens, hidden_size]`, and leave them in `memory`.

        Where `memory.targets` names a row, it is read in full, whatever was found; the first token of each run of a
        target, and each token whose target is -1 (nothing in the bank), teach the gate to find it.
        """
        queries = self.queries(hidden_states, memory)
        if memory.targets is not None and memory.config.retrieval_loss_coef:
            memory.losses.setdefault("retrieval_loss", {})[0] = retrieval_loss(self, queries, memory)
        with torch.no_grad():
            memory.bank.refresh(memory.model, self)
            config = memory.config
            flat = queries.flatten(0, 1).to(memory.bank.memory_bank.device)
            similarities, rows = memory.bank.find(flat, config.num_candidates, config.num_selected)
            rows = rows.unflatten(0, queries.shape[:2]).to(queries.device)
            similarities = similarities.unflatten(0, queries.shape[:2]).to(queries.device)
        alphas = (self.sharpness * (similarities[..., 0] - self.null_similarity.detach())).sigmoid()
        found = similarities > -1
        if memory.targets is not None:
            is_told = memory.targets >= 0
            rows = rows.clone()
            found[..., 0] |= is_told
            rows[..., 0] = torch.where(is_told, memory.targets, rows[..., 0])
            alphas = alphas.masked_fill(is_told, 1.0)
        memory.rows[0], memory.found[0], memory.alphas[0] = rows, found, alphas


class CopyMemoryFusion(nn.Module):
    """Copies tokens of the rows that were found into the residual stream, by attention over them.

    Queries are made of the layer's output, keys of the states of the row's tokens and those before them; a silent place
    has no value. Values are the tokens' own embeddings, which are not learned, so that tokens can be copied that were
    in no row of training. The output is scaled by the size of the residual, and by `alpha`.
    """

    def __init__(self, config: MemoryGateConfig):
        super().__init__()
        hidden, self.heads, self.width = config.hidden_size, config.memory_heads, config.memory_head_dim
        self.starts_silent = config.zero_init_fusion
        self.query = nn.Linear(hidden, self.heads * self.width, bias=False)
        self.key = nn.Linear(hidden, self.heads * self.width, bias=False)
        self.previous_key = nn.Linear(hidden, self.heads * self.width, bias=False)
        self.silent_key = nn.Parameter(torch.zeros(self.heads, self.width))
        self.gain = nn.Parameter(torch.zeros(self.heads, hidden))

    def start_memory(self) -> None:
        """Set what is no weight of a linear map."""
        init.zeros_(self.silent_key)
        if self.starts_silent:
            init.zeros_(self.gain)
        else:
            init.normal_(self.gain, std=0.02)

    def forward(self, normed: torch.Tensor, memory: MemoryReading, hidden_states: torch.Tensor) -> torch.Tensor:
        """What is added to a layer's output `[batch, tokens, hidden_size]`."""
        alphas = memory.alphas[0].to(hidden_states.device)
        reads = alphas > LEAST_ALPHA
        if memory.before is None:
            reads = reads & memory.visible(hidden_states)
        added = torch.zeros_like(hidden_states)
        if not reads.any():
            return added
        rows, found = (each[0].to(reads.device)[reads] for each in (memory.rows, memory.found))
        written = self.copied(normed[reads], rows, found, memory)
        size = hidden_states[reads].float().square().mean(-1, keepdim=True).sqrt()
        return added.masked_scatter(reads[..., None], (alphas[reads][:, None] * size * written).to(added.dtype))

    def copied(
        self, normed: torch.Tensor, rows: torch.Tensor, found: torch.Tensor, memory: MemoryReading
    ) -> torch.Tensor:
        """The values that each of some tokens attends to, `[tokens, hidden_size]`.

        They are those of the rows that were `found` among `rows`, both `[tokens, selected]`.
        """
        bank, device = memory.bank, normed.device
        unique, which = rows.unique(return_inverse=True)
        token_ids = bank.memory_bank[unique.to(bank.memory_bank.device)]
        states = sized(bank.states_of(memory.model, unique).to(device)).to(normed.dtype)
        before = F.pad(states[:, :-1], (0, 0, 1, 0))
        keys = (self.key(states) + self.previous_key(before)).unflatten(-1, (self.heads, self.width))
        values = sized(memory.model.get_input_embeddings()(token_ids.to(device)).detach())
        mask = bank.masks(token_ids).to(device)[which] & found[..., None]
        mask = mask.flatten(1)  # [tokens, selected * knowledge_length]
        keys, values = keys[which].flatten(1, 2), values[which].flatten(1, 2)
        queries = self.query(normed).unflatten(-1, (self.heads, self.width))
        scores = torch.einsum("thw,tkhw->thk", queries, keys).masked_fill(~mask[:, None], -torch.inf)
        silent = (queries * self.silent_key).sum(-1, keepdim=True)
        weights = (torch.cat([scores, silent], dim=-1) / self.width**0.5).softmax(-1)[..., :-1]
        return torch.einsum("thk,tkd,hd->td", weights.float(), values, self.gain.float())


def sized(states: torch.Tensor) -> torch.Tensor:
    """Vectors of any type with a root mean square of 1, in float32."""
    states = states.float()
    return states * torch.rsqrt(states.square().mean(-1, keepdim=True) + 1e-6)
