"""Texts through a model with attention gates: how far each head is let through at every token. Needs torch."""

from __future__ import annotations

import re

import torch

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from viewing.texts import encode, perplexity, run
from viewing.values import Measure, Panel


# With the paper's initialization gates lie between 0 and 1; with "identity" between 0 and 2, where 1 leaves a head as it is.
HIGHEST = {"paper": 1.0, "identity": 2.0}


def attention_gates(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str, title: str = "") -> Panel:
    """A row for each head of each layer with attention gates; of elementwise gates, the mean over a head's channels.

    Args:
        model: a gated model in any mode.
        tokenizer: its tokenizer.
        text: what it reads.
        title: what the text is called where it is shown.

    Raises:
        TypeError: the model has no attention gates.
        ValueError: the text has no token, or more than the model reads.
    """
    layers = _layers(model)
    if not layers:
        raise TypeError(f"{type(model).__name__} has no attention gates")
    encoded = encode(model, tokenizer, text)
    outputs = run(model, encoded, output_attention_gates=True)
    heads = [each.reshape(-1, *each.shape[-2:]).float().mean(-1).T.cpu() for each in outputs["attention_gates"]]
    rows = [
        f"layer {layer}, head {head}" for layer, each in zip(layers, heads, strict=True) for head in range(len(each))
    ]
    high = HIGHEST[model.config.get_text_config(decoder=True).attention_gate_init]
    measure = Measure("gate", "gate", 0.0, high, "shut", "passed on" if high == 1.0 else "doubled", is_plain=True)
    numbers = perplexity(model, outputs, encoded.ids)
    return Panel(
        title or "text",
        encoded.text,
        encoded.tokens,
        tuple(rows),
        tuple(map(tuple, torch.cat(heads).tolist())),
        {"perplexity": numbers} if any(each is not None for each in numbers) else {},
        measure=measure,
    )


def _layers(model: PreTrainedModel) -> list[str]:
    """The number of each layer with an attention gate, in order: the first number in the gate's name."""
    names = [name for name, _ in model.named_modules() if name.endswith(".attention_gate")]
    return [found[0] if (found := re.search(r"\d+", name)) else name for name in names]
