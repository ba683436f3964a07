"""`utils/auto_docstring.py`: the configurations of models whose folder is not their model type."""

from __future__ import annotations

import ast

from syntax.edits import Edit, apply
from syntax.queries import string, strings, value_of

from pull_request.edits.reading import statements_in


TABLE = "HARDCODED_CONFIG_FOR_MODELS"


def name_config(text: str, base: str, package: str, config: str) -> str:
    """The text with a line for the folder `package`, below that of its base where that has one, else at the end.

    Args:
        text: of the file; it comes back as it is where it lacks the table, or has that line already.
        base: the folder of the base, "gpt_neox".
        package: the folder of the gated model.
        config: the class of its configuration.
    """
    theirs, ours = (name.replace("_", "-") for name in (base, package))
    table = value_of(statements_in(text), TABLE)
    if not isinstance(table, ast.Dict) or not table.values or ours in strings(table):
        return text
    pairs = zip(table.keys, table.values, strict=True)
    below = next((value for key, value in pairs if key is not None and string(key) == theirs), table.values[-1])
    lines = text.split("\n")
    first = lines[table.values[0].lineno - 1]
    indent = first[: len(first) - len(first.lstrip())]
    line = below.end_lineno or below.lineno
    return "\n".join(apply(lines, [Edit(line, line, (f'{indent}"{ours}": "{config}",',))]))
