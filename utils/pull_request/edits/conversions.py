"""`conversion_mapping.py`: whose names the weights of published checkpoints have, where they are not the modules'."""

from __future__ import annotations

import ast

from syntax.queries import assignments, dotted, string, strings, targets
from syntax.trees import tree_of


TABLE = "_MODEL_TO_CONVERSION_PATTERN"
BUILDER = "_build_checkpoint_conversion_mapping"


def add_conversions(text: str, renamed: dict[str, str]) -> str:
    """The text with the entries of bases repeated for the models made of them.

    `renamed` maps each model type and class of a base to the gated one's: {"gemma3": "quality_gate_gemma3",
    "Gemma3Model": "QualityGateGemma3Model"}. A base that shares another's names is found in the table of those, one
    with names of its own among the keys of the mapping that is built from it.
    """
    table, own = _table(text), _own(text)
    if table is None:
        return text
    entries = {
        name: (pattern, key.lineno)
        for key, value in zip(table.keys, table.values)
        if key is not None and (name := string(key)) is not None and (pattern := string(value)) is not None
    }
    lines = text.splitlines(keepends=True)
    new: dict[int, str] = {}
    for base, ours in renamed.items():
        if ours in entries or ours in own:
            continue
        if base in entries:
            pattern, line = entries[base]
            pattern = base if base in own else pattern  # what the builder says of a name comes before the table
            new[line] = new.get(line, "") + f'    "{ours}": "{pattern}",\n'
        elif base in own:
            last = (table.end_lineno or table.lineno) - 1
            new[last] = new.get(last, "") + f'    "{ours}": "{base}",\n'
    return "".join(line + new.get(number, "") for number, line in enumerate(lines, 1))


def _table(text: str) -> ast.Dict | None:
    found = (value for name, value in assignments(tree_of(text).body) if name == TABLE)
    return next((each for each in found if isinstance(each, ast.Dict)), None)


def _own(text: str) -> set[str]:
    """The model types and classes that have names of their own: `mapping["llava"] = ...` and the keys of `mapping`."""
    builder = next((n for n in tree_of(text).body if isinstance(n, ast.FunctionDef) and n.name == BUILDER), None)
    found: set[str] = set()
    for node in ast.walk(builder) if builder else ():
        if not isinstance(node, ast.Assign):
            continue
        for target in targets(node):
            if isinstance(target, ast.Subscript) and dotted(target.value) == "mapping":
                found |= {key for key in [string(target.slice)] if key is not None}
            elif dotted(target) == "mapping":
                found |= set(strings(node.value))
    return found
