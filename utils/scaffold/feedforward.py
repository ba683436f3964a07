"""Which attributes of a decoder layer are its feed-forward part."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from scaffold.modules import Module, assigned_calls, is_self


_FEED_FORWARD = re.compile(r"mlps?|feed_?forwards?|ffn?s?|moes?|experts?|fc1|fc2|ff", re.IGNORECASE)
_WORDS = re.compile(r"_|(?<=[a-z])(?=[A-Z])")
_OTHER = re.compile(
    r"norm|dropout|router|gate$|^has_|_hc$|_input$|conv|connection|scale|post_|residual", re.IGNORECASE
)
# Classes that hold one of several kinds of mixing layer under one name
_MIXERS = re.compile(r"attention|attn|mamba|mixer|conv|recurrent|rwkv", re.IGNORECASE)


def feed_forward_names(module: Module, layer: ast.ClassDef) -> frozenset[str]:
    """The attributes of a layer that hold its feed-forward part: a module each, or the linear maps of one."""
    return frozenset(_names(module, layer))


def _names(module: Module, layer: ast.ClassDef) -> Iterator[str]:
    for each in module.lineage(layer):
        for name, call, _ in assigned_calls(module.own_method(each, "__init__")):
            kind = ast.unparse(call.func).rpartition(".")[2]
            if _is_word(name) and not _OTHER.search(name) and not re.search(r"Norm|Dropout", kind):
                yield name


def _is_word(name: str) -> bool:
    return any(_FEED_FORWARD.fullmatch(word) for word in _parts(name)) and not _MIXERS.search(name)


def _parts(name: str) -> list[str]:
    words = name.lower().split("_")
    return [name.lower(), *words]


def calls_of(tree: ast.AST, names: frozenset[str]) -> list[ast.Call]:
    """The calls of some attributes of self in a tree, in the order of the text."""
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and is_self(node.func) and node.func.attr in names
    ]
    return sorted(found, key=lambda call: (call.lineno, call.col_offset))
