"""A base and its gated model on disk, with a tokenizer, as tools are given them."""

from __future__ import annotations

from pathlib import Path

from families import FAMILIES, word_tokenizer


CHAT = "{% for message in messages %}{{ message['content'] }} {% endfor %}"


def saved_pair(folder: Path) -> tuple[Path, Path]:
    """The folders of a tiny Llama and of the same one with gates; both answer alike, and know the letters a to z."""
    tokenizer = word_tokenizer()
    tokenizer.chat_template = CHAT
    for name, model in zip(("base", "gated"), FAMILIES[0].pair(attention="sdpa"), strict=True):
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder / "base", folder / "gated"
