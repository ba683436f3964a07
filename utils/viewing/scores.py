"""Texts through a gated model: what its gates say of every token. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import torch

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from viewing.notebook import make_snippet
from viewing.pieces import aligned, readable
from viewing.values import Panel, Token


CHUNK = 256  # tokens whose probabilities over the vocabulary are held in float32 at a time


@dataclass(frozen=True, slots=True)
class TextScores:
    """What a gated model says of one text. A notebook shows it as the text in colours.

    Attributes:
        text: as it was read.
        tokens: its tokens, special ones included.
        layers: the number of the layer that each row of `scores` belongs to.
        scores: what the gates compute, float32 `[layers, tokens]`.
        perplexity: of each token after those before it; None for the first, and where the model has no language model head.
        title: what it is called where it is shown.
    """

    text: str
    tokens: tuple[Token, ...]
    layers: tuple[int, ...]
    scores: torch.Tensor
    perplexity: tuple[float | None, ...]
    title: str = ""

    @property
    def good_ratios(self) -> torch.Tensor:
        """The logistic function of the scores, `[layers, tokens]`: 0 is a closed gate, 1 an open one."""
        return self.scores.sigmoid()

    def panel(self) -> Panel:
        """This as something to look at."""
        rows = tuple(f"layer {number}" for number in self.layers)
        numbers = {"perplexity": self.perplexity} if any(each is not None for each in self.perplexity) else {}
        scores = tuple(map(tuple, self.scores.tolist()))
        return Panel(self.title or "text", self.text, self.tokens, rows, scores, numbers)

    def _repr_html_(self) -> str:
        return make_snippet(self.panel())


class Texts(tuple[TextScores, ...]):
    """Several texts, in the order in which they were given."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return "".join(each._repr_html_() for each in self)


@overload
def quality_scores(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: str) -> TextScores: ...


@overload
def quality_scores(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> Texts: ...


def quality_scores(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: str | Sequence[str]
) -> TextScores | Texts:
    """Score texts with the gates of a model, each in a forward pass of its own.

    Args:
        model: any gated model; it is left in the mode it was in.
        tokenizer: its tokenizer.
        texts: one text, or several.

    Returns:
        The scores of one text, or for several a tuple of them.

    Raises:
        TypeError: the model has no quality gates.
        ValueError: a text has no token, or more than the model reads.
    """
    if not callable(getattr(model, "quality_layers", None)):
        raise TypeError(f"{type(model).__name__} has no quality gates")
    if isinstance(texts, str):
        return _score(model, tokenizer, texts, "")
    return Texts(_score(model, tokenizer, text, f"text {number}") for number, text in enumerate(texts, 1))


def longest(model: PreTrainedModel) -> int | None:
    """How many tokens a model reads at most, where its configuration says so."""
    config = model.config.get_text_config(decoder=True)
    found = getattr(config, "max_position_embeddings", None)
    return found if isinstance(found, int) and found > 0 else None


def _score(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str, title: str) -> TextScores:
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # no tokenizer takes half a pair
    encoded = tokenizer(text, return_offsets_mapping=tokenizer.is_fast, verbose=False)
    ids, most = list(encoded["input_ids"]), longest(model)
    if not ids:
        raise ValueError("the text has no token")
    if most is not None and len(ids) > most:
        raise ValueError(f"the text has {len(ids):,} tokens, and the model reads {most:,} at most")
    tokens = _tokens(tokenizer, text, ids, encoded.get("offset_mapping"))
    inputs = torch.tensor([ids], device=model.device)
    was_training = model.training
    try:
        with torch.inference_mode():
            outputs = model.eval()(input_ids=inputs, output_router_logits=True)
    finally:
        model.train(was_training)
    scores = torch.stack([each.reshape(-1).float().cpu() for each in outputs.quality_logits])
    return TextScores(
        text, tokens, tuple(model.quality_layers()), scores, _perplexity(outputs, inputs, model.can_generate()), title
    )


def _tokens(
    tokenizer: PreTrainedTokenizerBase, text: str, ids: Sequence[int], offsets: Sequence[Sequence[int]] | None
) -> tuple[Token, ...]:
    spans = [(start, end) for start, end in offsets] if offsets is not None else None
    if spans is None:
        spans = aligned(text, [tokenizer.decode([each], clean_up_tokenization_spaces=False) for each in ids])
    shared = _shared(spans)
    names = [str(name) for name in tokenizer.convert_ids_to_tokens(ids)]
    return tuple(
        Token(number, readable(name, text[start:end], not is_shared), start, end)
        for number, name, (start, end), is_shared in zip(ids, names, spans, shared, strict=True)
    )


def _shared(spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Whether a token covers characters that another covers, too: both are bytes of them."""
    pairs = [*zip(spans, spans[1:])]
    overlaps = [one[1] > other[0] and one[0] < one[1] and other[0] < other[1] for one, other in pairs]
    return [before or behind for before, behind in zip([False, *overlaps], [*overlaps, False], strict=True)]


def _perplexity(outputs: object, ids: torch.Tensor, is_causal: bool) -> tuple[float | None, ...]:
    logits = getattr(outputs, "logits", None)
    width = ids.shape[1]
    if not isinstance(logits, torch.Tensor) or logits.ndim != 3 or logits.shape[1] != width or not is_causal:
        return (None,) * width
    found: list[float | None] = [None]
    for start in range(0, width - 1, CHUNK):
        part = logits[0, start : min(start + CHUNK, width - 1)].float()
        targets = ids[0, start + 1 : start + 1 + len(part)]
        losses = torch.nn.functional.cross_entropy(part, targets, reduction="none")
        found += losses.clamp(max=80).exp().tolist()
    return tuple(found)
