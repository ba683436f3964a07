"""Which attributes of a decoder layer are its feed-forward part."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from syntax.modules import Module
from syntax.queries import assigned_calls, last_name


_FEED_FORWARD = re.compile(r"(?:^|_)(?:mlps?|feed_?forwards?|ffn?s?|moes?|experts?|fc)\d*(?:_|$)", re.IGNORECASE)
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
            kind = last_name(call.func)
            if _is_word(name) and not _OTHER.search(name) and not re.search(r"Norm|Dropout", kind):
                yield name


def _is_word(name: str) -> bool:
    return bool(_FEED_FORWARD.search(name)) and not _MIXERS.search(name)
