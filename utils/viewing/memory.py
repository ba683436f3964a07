"""Texts through a model with memory gates: how far rows were let in at every token, and what they say. Needs torch."""

from __future__ import annotations

from memory.encoding import decode, unpadded
from memory.loading import shape_of_model

from transformers import PreTrainedModel, PreTrainedTokenizerBase
from viewing.texts import encode, perplexity, run
from viewing.values import Measure, Panel


MEASURE = Measure("alpha", "alpha", 0.0, 1.0, "nothing read", "read", is_plain=True)
READ = 0.01  # the alpha below which what was found made no difference that could be seen


def memory_reads(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str, title: str = "") -> Panel:
    """A row for each gate, of how far what it found was let in; the sentences that were read are notes of their tokens.

    Args:
        model: a model with memory gates, in any mode.
        tokenizer: its tokenizer.
        text: what it reads.
        title: what the text is called where it is shown.

    Raises:
        TypeError: the model has no memory gates.
        ValueError: the text has no token, or more than the model reads.
    """
    bank = getattr(model, "memory_bank", None)
    if bank is None:
        raise TypeError(f"{type(model).__name__} has no memory gates")
    encoded = encode(model, tokenizer, text)
    outputs = run(model, encoded, output_memory=True)
    alphas = [each[0].float().tolist() for each in outputs["memory_alphas"]]
    found = [each[0].tolist() for each in outputs["memory_rows"]]
    pad = shape_of_model(model).pad_token_id
    names = _names(model, len(alphas))

    def said(row: int) -> str:
        return decode(tokenizer, unpadded(bank[row].cpu().numpy(), pad)) or "(empty)"

    notes = [
        tuple(
            f"{name}, alpha {alpha[token]:.2f}, row {row}: {said(row)}"
            for name, alpha, rows in zip(names, alphas, found, strict=True)
            for row in (rows[token] if alpha[token] >= READ else ())
        )
        for token in range(len(encoded.tokens))
    ]
    numbers = perplexity(model, outputs, encoded.ids)
    return Panel(
        title or "text",
        encoded.text,
        encoded.tokens,
        names,
        tuple(map(tuple, alphas)),
        {"perplexity": numbers} if any(each is not None for each in numbers) else {},
        tuple(notes),
        MEASURE,
    )


def _names(model: PreTrainedModel, gates: int) -> tuple[str, ...]:
    """What each gate is called: by its layer where every layer finds rows by itself."""
    layers = getattr(model.config.get_text_config(decoder=True), "memory_layers", None) or ()
    if gates == 1:
        return ("memory",)
    return tuple(f"layer {number}" for number in (layers if len(layers) == gates else range(gates)))
