"""`utils/auto_docstring.py`: the configurations of models whose folder is not their model type."""

from __future__ import annotations

import re


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
    line = re.compile(rf'^( +)"{re.escape(theirs)}": "\w+",\n', re.MULTILINE)
    table = text.partition(f"{TABLE} = {{")
    if not table[1] or f'"{ours}": ' in table[2].partition("\n}")[0]:
        return text
    entries, close, rest = table[2].partition("\n}")
    own = f'"{ours}": "{config}",\n'
    new = line.sub(lambda found: found[0] + found[1] + own, f"{entries}\n", count=1)
    new = new if own in new else f"{entries}\n    {own}"
    return table[0] + table[1] + new.removesuffix("\n") + close + rest
