"""`src/transformers/models/__init__.py`: one line for each model's folder, in natural order."""

from __future__ import annotations

import re

from pull_request.edits.ordering import ListEntry, insert, natural


_LINE = re.compile(r"    from \.(\w+) import \*$")


def add_model(text: str, name: str) -> str:
    """The text with `from .<name> import *`; as it is where it has that already."""
    lines = text.splitlines(keepends=True)
    entries = listed(text)
    if not entries or any(entry.key == name for entry in entries):
        return text
    end = entries[-1].line + 1
    return "".join(insert(lines, entries, end, name, f"    from .{name} import *\n", natural))


def listed(text: str) -> list[ListEntry]:
    """The models of the file in its order."""
    found = ((_LINE.match(line), number) for number, line in enumerate(text.splitlines()))
    return [ListEntry(match[1], number) for match, number in found if match]
