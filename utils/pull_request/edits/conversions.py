"""`conversion_mapping.py`: whose names the weights of published checkpoints have, where they are not the modules'."""

from __future__ import annotations

import ast


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
        key.value: (value.value, key.lineno) for key, value in zip(table.keys, table.values) if _plain(key, value)
    }
    lines = text.splitlines(keepends=True)
    new: dict[int, str] = {}
    for base, ours in renamed.items():
        if ours in entries or ours in own:
            continue
        if base in entries:
            pattern, line = entries[base]
            new[line] = new.get(line, "") + f'    "{ours}": "{pattern}",\n'
        elif base in own:
            last = (table.end_lineno or table.lineno) - 1
            new[last] = new.get(last, "") + f'    "{ours}": "{base}",\n'
    return "".join(line + new.get(number, "") for number, line in enumerate(lines, 1))


def _plain(key: ast.expr | None, value: ast.expr) -> bool:
    return all(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in (key, value))


def _table(text: str) -> ast.Dict | None:
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == TABLE and isinstance(node.value, ast.Dict):
            return node.value
    return None


def _own(text: str) -> set[str]:
    """The model types and classes that have names of their own: `mapping["llava"] = ...` and the keys of `mapping`."""
    builder = next((n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef) and n.name == BUILDER), None)
    found: set[str] = set()
    for node in ast.walk(builder) if builder else ():
        if not isinstance(node, ast.Assign):
            continue
        target = node.targets[0]
        keys: list[ast.expr | None] = []
        if isinstance(target, ast.Subscript) and ast.unparse(target.value) == "mapping":
            keys = [target.slice]
        elif ast.unparse(target) == "mapping" and isinstance(node.value, ast.Dict):
            keys = list(node.value.keys)
        found |= {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    return found
