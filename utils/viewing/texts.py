"""A text as tokens, and what a model makes of them. Needs torch; knows no kind of gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from selection.alignment import aligned

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.generic import ModelOutput
from viewing.pieces import readable
from viewing.values import Token


CHUNK = 256  # tokens whose probabilities over the vocabulary are held in float32 at a time


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text as a model reads it: `ids` is `[1, tokens]`, on the model's device."""

    text: str
    tokens: tuple[Token, ...]
    ids: torch.Tensor


def encode(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str) -> Encoded:
    """Cut a text into tokens. Raises ValueError where it has none, or more than the model reads."""
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # no tokenizer takes half a pair
    encoded = tokenizer(text, return_offsets_mapping=tokenizer.is_fast, verbose=False)
    ids, most = list(encoded["input_ids"]), longest(model)
    if not ids:
        raise ValueError("the text has no token")
    if most is not None and len(ids) > most:
        raise ValueError(f"the text has {len(ids):,} tokens, and the model reads {most:,} at most")
    tokens = _tokens(tokenizer, text, ids, encoded.get("offset_mapping"))
    return Encoded(text, tokens, torch.tensor([ids], device=model.device))


def run(model: PreTrainedModel, encoded: Encoded, **asked: bool) -> ModelOutput:
    """The outputs of a model in evaluation mode; it is left in the mode it was in."""
    was_training = model.training
    try:
        with torch.inference_mode():
            outputs: ModelOutput = model.eval()(input_ids=encoded.ids, **asked)
            return outputs
    finally:
        model.train(was_training)


def perplexity(model: PreTrainedModel, outputs: object, ids: torch.Tensor) -> tuple[float | None, ...]:
    """Of each token of `ids`, `[1, tokens]`, after those before it.

    None for the first, and where the model has no language model head.
    """
    logits = getattr(outputs, "logits", None)
    width = ids.shape[1]
    if not isinstance(logits, torch.Tensor) or logits.shape[1:2] != ids.shape[1:] or not model.can_generate():
        return (None,) * width
    found: list[float | None] = [None]
    for start in range(0, width - 1, CHUNK):
        part = logits[0, start : min(start + CHUNK, width - 1)].float()
        targets = ids[0, start + 1 : start + 1 + len(part)]
        losses = torch.nn.functional.cross_entropy(part, targets, reduction="none")
        found += losses.clamp(max=80).exp().tolist()
    return tuple(found)


def longest(model: PreTrainedModel) -> int | None:
    """How many tokens a model reads at most, where its configuration says so."""
    config = model.config.get_text_config(decoder=True)
    found = getattr(config, "max_position_embeddings", None)
    return found if isinstance(found, int) and found > 0 else None


def _tokens(
    tokenizer: PreTrainedTokenizerBase, text: str, ids: Sequence[int], offsets: Sequence[Sequence[int]] | None
) -> tuple[Token, ...]:
    spans = [(start, end) for start, end in offsets] if offsets is not None else None
    if spans is None:
        spans = aligned(text, [str(tokenizer.decode([each], clean_up_tokenization_spaces=False)) for each in ids])
    shared = _shared(spans)
    names = [str(name) for name in tokenizer.convert_ids_to_tokens(list(ids))]
    return tuple(
        Token(number, readable(name, text[start:end], not is_shared), start, end)
        for number, name, (start, end), is_shared in zip(ids, names, spans, shared, strict=True)
    )


def _shared(spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Whether a token covers characters that another covers, too: both are bytes of them."""
    pairs = [*zip(spans, spans[1:])]
    overlaps = [one[1] > other[0] and one[0] < one[1] and other[0] < other[1] for one, other in pairs]
    return [before or behind for before, behind in zip([False, *overlaps], [*overlaps, False], strict=True)]
