"""Which classes of a generated modeling file its models are made of, and which ones only initialisation still names."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from syntax.queries import defined_names, string


INIT, SPLIT = "_init_weights", "_no_split_modules"


def dead_classes(tree: ast.Module) -> set[str]:
    """The classes that nothing exported is made of.

    They come along because `_init_weights` of the abstract model asks for the kind of a module, encoders and towers
    included. Names in strings count as uses, but not those in a list of modules that are never split.
    """
    defined = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    others = [node for node in tree.body if getattr(node, "name", None) not in defined]
    waiting = [name for node in others for name in _names([node])]
    live: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in defined and name not in live:
            live.add(name)
            waiting += _names(_parts(defined[name]))
    return {name for name, node in defined.items() if isinstance(node, ast.ClassDef) and name not in live}


def _parts(node: ast.ClassDef | ast.FunctionDef) -> list[ast.AST]:
    """What a definition is made of, but for initialisation and the list of what is never split."""
    if isinstance(node, ast.FunctionDef):
        return [node]
    kept = [each for each in node.body if not {INIT, SPLIT} & set(defined_names(each))]
    return [*node.bases, *node.decorator_list, *kept]


def _names(nodes: Iterable[ast.AST]) -> list[str]:
    inner = [each for node in nodes for each in ast.walk(node)]
    found = [each.id for each in inner if isinstance(each, ast.Name)]
    return found + [said for each in inner if (said := string(each)) is not None]
