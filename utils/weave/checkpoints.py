"""The checkpoints that configurations name, and the examples of the upstream form that load them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from syntax.queries import last_name

from weave.base import Base
from weave.declared import Declared
from weave.documented import DOCUMENTED


_OPENING = """\
>>> import torch
>>> from transformers import AutoTokenizer, {model}

>>> model = {model}.from_pretrained("{checkpoint}")
>>> tokenizer = AutoTokenizer.from_pretrained("{checkpoint}")
>>> inputs = tokenizer("Plants create energy through a process known as", return_tensors="pt")
"""


def named_checkpoint(decorators: Iterable[ast.expr]) -> str:
    """The checkpoint that `@auto_docstring(checkpoint=...)` names; "" where none does."""
    for each in decorators:
        if isinstance(each, ast.Call) and last_name(each.func) == DOCUMENTED:
            for keyword in each.keywords:
                if keyword.arg == "checkpoint" and isinstance(keyword.value, ast.Constant):
                    return str(keyword.value.value)
    return ""


def checkpoints(base: Base, configs: Iterable[str], declared: Iterable[Declared]) -> dict[str, str]:
    """The checkpoints of gated configurations, by what the base calls these; a delta's decorators go before the base's."""
    own = {each.parent: each.node.decorator_list for each in declared if each.node.decorator_list}
    classes = base.configuration.classes
    found = {name: named_checkpoint(own.get(name) or classes[name].decorator_list) for name in configs}
    return {name: checkpoint for name, checkpoint in found.items() if checkpoint}


def checkpoint_of(model: str, named: Mapping[str, str], of_text: str = "") -> str:
    """That of the configuration of text for a language model, else that of the whole model; "" where none is named.

    `of_text` is that of the language model, where its configuration names another.
    """
    texts = [name for name in named if name.endswith(("TextConfig", "DecoderConfig"))]
    if model.endswith("ForCausalLM") and texts:
        return of_text or named[texts[0]]
    return named[min(named, key=len)] if named else ""


def complete(example: str, model: str, checkpoint: str) -> str:
    """An example with what goes before its first call: the imports, the model and its inputs."""
    first = example.find(">>>")
    if not checkpoint or first < 0:
        return example
    return example[:first] + _OPENING.format(model=model, checkpoint=checkpoint) + example[first:]
