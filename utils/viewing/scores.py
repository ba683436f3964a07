"""Texts through a model with quality gates: what they say of every token. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast, overload

import torch
from naming.models import HasGates

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from viewing.notebook import make_snippet
from viewing.texts import encode, perplexity, run
from viewing.values import Panel, Token


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
def quality_scores(  # type: ignore[overload-overlap]  # a text is a sequence of texts, too
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: str
) -> TextScores: ...


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


def quality_panel(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str, title: str = "") -> Panel:
    """One text as something to look at; raises as `quality_scores` does.

    Args:
        model: a gated model in any mode.
        tokenizer: its tokenizer.
        text: what it reads.
        title: what the text is called where it is shown.
    """
    return replace(quality_scores(model, tokenizer, text), title=title).panel()


def _score(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str, title: str) -> TextScores:
    encoded = encode(model, tokenizer, text)
    outputs = run(model, encoded, output_router_logits=True)
    scores = torch.stack([each.reshape(-1).float().cpu() for each in outputs["quality_logits"]])
    numbers = perplexity(model, outputs, encoded.ids)
    return TextScores(
        encoded.text, encoded.tokens, tuple(cast(HasGates, model).quality_layers()), scores, numbers, title
    )
