"""Examples in docstrings that a reader can run from their first line on."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from upstream.page import checkpoints
from upstream.spans import insert_above


FIRST = ">>> outputs = model(**inputs, output_router_logits=True)"  # where the examples of deltas begin
SETTING = """\
>>> import torch
>>> from transformers import AutoTokenizer, {model}

>>> model = {model}.from_pretrained("{checkpoint}")
>>> tokenizer = AutoTokenizer.from_pretrained("{checkpoint}")
>>> inputs = tokenizer("Plants create energy through a process known as", return_tensors="pt")
"""


def complete_examples(modular: str, text_checkpoint: str = "") -> str:
    """The modular file with what goes before the call of a model: the imports, the model and its inputs.

    `text_checkpoint` is that of the language model, where its configuration names another.
    """
    tree = ast.parse(modular)
    named = checkpoints(modular)
    lines = modular.splitlines()
    for node in reversed([each for each in tree.body if isinstance(each, ast.ClassDef)]):
        checkpoint = _checkpoint(node.name, named, text_checkpoint)
        for number in reversed(list(_beginnings(lines, node))):
            if checkpoint and node.name in _exported(tree):
                indent = " " * (len(lines[number - 1]) - len(lines[number - 1].lstrip()))
                new = SETTING.format(model=node.name, checkpoint=checkpoint).splitlines()
                modular = insert_above(modular, number, "\n".join(f"{indent}{line}" if line else "" for line in new))
    return modular


def _checkpoint(model: str, named: Mapping[str, str], text_checkpoint: str) -> str:
    """That of the configuration of text for a language model, else that of the whole model."""
    texts = [name for name in named if name.endswith(("TextConfig", "DecoderConfig"))]
    if model.endswith("ForCausalLM") and texts:
        return text_checkpoint or named[texts[0]]
    return named[min(named, key=len)] if named else ""


def _beginnings(lines: list[str], node: ast.ClassDef) -> Iterator[int]:
    """The numbers of the lines, from 1, that begin an example without saying what comes before."""
    for number in range(node.lineno, node.end_lineno or node.lineno):
        if lines[number - 1].strip() == FIRST and lines[number - 2].strip().startswith("```"):
            yield number


def _exported(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(each) for each in ast.literal_eval(node.value)]
    return []
