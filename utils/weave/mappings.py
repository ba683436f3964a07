"""For which model types and classes transformers renames the weights of checkpoints, and where that hits gates."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from syntax.modules import Module
from syntax.queries import assigned_names, callee, dotted, string, strings


@lru_cache(maxsize=4)
def mapped_names(conversions: Module | None) -> frozenset[str]:
    """The model types and class names that `transformers.conversion_mapping` has an entry for, read off its text."""
    tree = _tree(conversions)
    tables = [node.value for node in ast.walk(tree) if isinstance(node, ast.Assign) and _is_table(node)]
    keys = {key for table in tables for key in strings(table)}
    items = [target.slice for node in ast.walk(tree) if isinstance(node, ast.Assign) for target in _items(node)]
    return frozenset(keys | {key for each in items if (key := string(each)) is not None})


def gate_restored(conversions: Module | None, name: str, weight: str) -> list[tuple[str, str]]:
    """What the conversions of a model type or class make of the name of a gate's `weight`, each with that name.

    transformers renames what a pattern finds anywhere: ".gate.weight", meant for routers, finds gates as well.
    """
    made = {
        re.sub(source, target, weight)
        for table in ast.walk(_tree(conversions))
        if isinstance(table, ast.Assign) and _is_table(table) and isinstance(table.value, ast.Dict)
        for key, rules in zip(table.value.keys, table.value.values)
        if key is not None and string(key) == name
        for source, target in _renamings(rules)
    }
    return [(other, weight) for other in sorted(made - {weight})]


def _renamings(rules: ast.expr) -> Iterator[tuple[str, str]]:
    """`WeightRenaming(".gate.", ".router.")`: the pattern, and what takes its place."""
    for call in ast.walk(rules):
        if callee(call) == "WeightRenaming" and isinstance(call, ast.Call):
            values = [*call.args, *(word.value for word in call.keywords)]
            words = [word for each in values if (word := string(each)) is not None]
            if len(words) == 2:
                yield words[0], words[1]


def _tree(conversions: Module | None) -> ast.Module:
    return conversions.tree if conversions is not None else ast.Module([], [])


def _is_table(node: ast.Assign) -> bool:
    known = {"mapping", "_MODEL_TO_CONVERSION_PATTERN"}
    return isinstance(node.value, ast.Dict) and not known.isdisjoint(assigned_names(node))


def _items(node: ast.Assign) -> list[ast.Subscript]:
    return [each for each in node.targets if isinstance(each, ast.Subscript) and dotted(each.value) == "mapping"]
