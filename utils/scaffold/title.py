"""What people call a model: by the docstring of its base's file where that spells its name, else as its classes do."""

from __future__ import annotations

import ast
import re

from weave.base import Base
from weave.stack import Stack


def title(base: Base, stack: Stack) -> str:
    """The name of a base in prose: "BERT", "GPT-J", "Mistral"."""
    opening = (ast.get_docstring(base.modeling.tree) or "").partition("\n")[0]
    words = opening.rstrip(".").split(" ")
    if "model" in words:
        words = words[: words.index("model")]
    spelt = (" ".join(words[place:]) for place in range(len(words)))  # "PyTorch OpenAI GPT-2": what comes last
    return next((each for each in spelt if _squashed(each) == _squashed(stack.prefix)), stack.prefix)


def _squashed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
