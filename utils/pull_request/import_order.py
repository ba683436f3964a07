"""Definitions of a modular file in an order in which all that annotations, bases and decorators name is there. Text in, text out."""

from __future__ import annotations

from syntax.import_time import sort_for_import
from syntax.modules import module_of
from syntax.queries import Decorated


def in_import_order(text: str) -> str:
    """The file with definitions moved up above those that need them when it is imported, with the comments above them."""
    module = module_of(text)
    pieces: dict[str, str] = {}
    apart, end = [], 0
    for number, node in enumerate(module.tree.body):
        is_definition = isinstance(node, Decorated) and node.name not in pieces
        name = node.name if isinstance(node, Decorated) and is_definition else f"#{number}"
        if not is_definition:
            apart.append(name)
        pieces[name] = "\n".join(module.lines[end : node.end_lineno]) + "\n"
        end = node.end_lineno or node.lineno
    ordered = sort_for_import(pieces, apart)
    if list(ordered) == list(pieces):
        return text
    return "".join(ordered.values()) + "\n".join(module.lines[end:])
