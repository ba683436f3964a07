"""What people call a model: by the docstring of one of its base's files where that spells its name, else as its classes do."""

from __future__ import annotations

import ast
import re

from syntax.modules import Module
from weave.base import Base
from weave.stack import Stack


def title(base: Base, stack: Stack) -> str:
    """The name of a base in prose: "BERT", "GPT-J", "Mistral"."""
    spelt = (name for module in (base.modeling, base.configuration) for name in _named(module))
    return next((each for each in spelt if _squashed(each) == _squashed(stack.prefix)), stack.prefix)


def _named(module: Module) -> list[str]:
    """What the first line of a file may call its model: "PyTorch OpenAI GPT-2 model.", whatever comes last."""
    opening = (ast.get_docstring(module.tree) or "").partition("\n")[0]
    words = opening.rstrip(".").split(" ")
    if "model" in words:
        words = words[: words.index("model")]
    return [" ".join(words[place:]) for place in range(len(words))]


def _squashed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
