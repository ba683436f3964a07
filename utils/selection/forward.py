"""A batch of documents through the model: scores of the layers and perplexities, never the logits of a whole batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from selection.models import Loaded
from selection.quality import ALPHA
from selection.values import EPSILON
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput


LARGEST_LOSS = 20.0  # of a token: beyond, weights would be nothing but it, and infinite in the end
_LOGITS = 1 << 24  # numbers of the head's output at a time
Head = Callable[[torch.Tensor], torch.Tensor]  # hidden states [tokens, hidden] -> logits [tokens, words]


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model says of a document."""

    layer_scores: np.ndarray  # [layers], tokens weighed by perplexity
    layer_means: np.ndarray  # [layers], tokens weighed alike
    perplexity: float | None
    router: np.ndarray | None  # [layers of experts * experts], mean probabilities
    token_logits: np.ndarray | None  # [layers, tokens]
    token_nll: np.ndarray | None  # [tokens]

    @property
    def is_finite(self) -> bool:
        """Whether every number is one."""
        return bool(np.isfinite(self.layer_scores).all() and np.isfinite(self.layer_means).all()) and (
            self.perplexity is None or bool(np.isfinite(self.perplexity))
        )


class Scorer:
    """A model set up for scoring.

    The base model runs without its head, and the head's output is computed for a few tokens at a time. Some models do
    more between hidden states and logits than one linear map; what is found by trial to be no factor and no soft cap
    goes through the model's own forward, whole rows at a time.
    """

    def __init__(
        self, loaded: Loaded, perplexity: bool = True, alpha: float = ALPHA, router: bool = False, tokens: bool = False
    ) -> None:
        self.loaded, self.perplexity, self.alpha, self.router, self.tokens = loaded, perplexity, alpha, router, tokens
        self._base = find_base(loaded.model)
        self._head = find_head(loaded.model, self._base) if perplexity else None

    @torch.inference_mode()
    def score(self, documents: Sequence[Sequence[int]]) -> list[Scored]:
        """Scores of the documents of a batch, given their tokens."""
        tokens, mask = self._pad(documents)
        outputs, nll = self._run(tokens, mask)
        logits = torch.stack([each[..., 0].float() for each in outputs["quality_logits"]])  # [layers, batch, tokens]
        ratios = logits.sigmoid().masked_fill(mask == 0, 0).double()
        even = mask.double() / mask.sum(1, keepdim=True)
        weights = self._weights(nll, mask) if nll is not None else even
        weighted, means = (torch.einsum("lbt,bt->bl", ratios, each).cpu().numpy() for each in (weights, even))
        routers = self._routers(outputs, mask) if self.router else None
        return [
            Scored(
                weighted[row],
                means[row],
                None if nll is None or len(document) < 2 else float(nll[row, 1 : len(document)].mean().exp()),
                None if routers is None else routers[row],
                logits[:, row, : len(document)].cpu().numpy() if self.tokens else None,
                nll[row, : len(document)].cpu().numpy() if self.tokens and nll is not None else None,
            )
            for row, document in enumerate(documents)
        ]

    def _pad(self, documents: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        width = max(map(len, documents))
        padding = self.loaded.tokenizer.pad_token_id or 0
        tokens = torch.full((len(documents), width), padding)
        mask = torch.zeros_like(tokens)
        for row, document in enumerate(documents):
            tokens[row, : len(document)] = torch.tensor(document)
            mask[row, : len(document)] = 1
        device = self.loaded.model.device
        return tokens.to(device), mask.to(device)

    def _run(self, tokens: torch.Tensor, mask: torch.Tensor) -> tuple[ModelOutput, torch.Tensor | None]:
        """Outputs with scores, and the loss of every token: `[batch, tokens]` in float32, 0 for the first and padding."""
        if not self.perplexity:
            return _ask(self._base or self.loaded.model, tokens, mask), None
        if self._base is None or self._head is None:
            outputs = _ask(self.loaded.model, tokens, mask)
            losses = [
                functional.cross_entropy(row[:-1].float(), target[1:], reduction="none")
                for row, target in zip(outputs["logits"], tokens, strict=True)
            ]
            nll = functional.pad(torch.stack(losses).clamp(max=LARGEST_LOSS), (1, 0))
            return outputs, nll.masked_fill(mask == 0, 0)
        outputs = _ask(self._base, tokens, mask)
        nll = torch.zeros(tokens.shape, device=tokens.device)
        rows, places = (mask[:, 1:] * mask[:, :-1]).nonzero(as_tuple=True)
        step = max(_LOGITS // max(_words(self.loaded.model), 1), 1)
        hidden = outputs["last_hidden_state"]
        for some in torch.arange(len(rows), device=rows.device).split(step):
            logits = self._head(hidden[rows[some], places[some]]).float()
            loss = functional.cross_entropy(logits, tokens[rows[some], places[some] + 1], reduction="none")
            nll[rows[some], places[some] + 1] = loss.clamp(max=LARGEST_LOSS)
        return outputs, nll

    def _weights(self, nll: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Of tokens: their perplexity to the power of alpha; that of the first token is 1."""
        weights = (nll.double() * self.alpha).exp() * mask
        return weights / (weights.sum(1, keepdim=True) + EPSILON)

    def _routers(self, outputs: ModelOutput, mask: torch.Tensor) -> np.ndarray | None:
        """Mean probabilities of the experts of every layer, `[batch, layers * experts]`."""
        found = [each for each in outputs.get("router_logits") or () if isinstance(each, torch.Tensor)]
        share = mask.float() / mask.sum(1, keepdim=True)
        means = [
            torch.einsum("bte,bt->be", each.reshape(*mask.shape, -1).float().softmax(-1), share)
            for each in found
            if each.shape[-1] > 1 and each.numel() % mask.numel() == 0
        ]
        return torch.cat(means, 1).cpu().numpy() if means else None


def find_base(model: PreTrainedModel) -> PreTrainedModel | None:
    """The model below the head, where it answers with scores and hidden states by itself."""
    base = model.base_model
    if base is model or not isinstance(base, PreTrainedModel):
        return None
    try:
        with torch.inference_mode():
            outputs = _ask(base, *_trial(model))
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError):
        return None
    return base if outputs.get("quality_logits") and outputs.get("last_hidden_state") is not None else None


@torch.inference_mode()
def find_head(model: PreTrainedModel, base: PreTrainedModel | None) -> Head | None:
    """What makes logits of hidden states: the output embeddings, and a factor or the configuration's soft cap if any."""
    output = model.get_output_embeddings()
    if base is None or output is None:
        return None
    tokens, mask = _trial(model)
    try:
        wanted = (
            model(input_ids=tokens, attention_mask=mask, output_router_logits=False, use_cache=False).logits[0].float()
        )
        hidden = _ask(base, tokens, mask)["last_hidden_state"][0]
        plain = output(hidden).float()
    except (TypeError, ValueError, RuntimeError):
        return None
    text = model.config.get_text_config()
    heads: list[Head] = [output]
    if plain.shape == wanted.shape and plain.norm() > 0:
        factor = float((plain * wanted).sum() / (plain * plain).sum())
        heads.append(lambda states: output(states) * factor)
    if cap := getattr(text, "final_logit_softcapping", None):
        heads.append(lambda states: (output(states) / cap).tanh() * cap)
    scale = float(wanted.abs().max()) or 1.0
    near = 1e-4 if wanted.dtype == plain.dtype == torch.float32 and hidden.dtype == torch.float32 else 2e-2
    for head in heads:
        found = head(hidden).float()
        if found.shape == wanted.shape and float((found - wanted).abs().max()) <= near * scale:
            return head
    return None


def _trial(model: PreTrainedModel) -> tuple[torch.Tensor, torch.Tensor]:
    tokens = torch.arange(3, 11, device=model.device)[None] % max(_words(model), 1)
    return tokens, torch.ones_like(tokens)


def _ask(model: PreTrainedModel, tokens: torch.Tensor, mask: torch.Tensor) -> ModelOutput:
    outputs: ModelOutput = model(input_ids=tokens, attention_mask=mask, output_router_logits=True, use_cache=False)
    return outputs


def _words(model: PreTrainedModel) -> int:
    return int(getattr(model.config.get_text_config(), "vocab_size", 0) or 0)
