"""The tables of `auto/auto_mappings.py` and `auto/modeling_auto.py`: ("llama", "LlamaModel"), sorted as strings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pull_request.edits.ordering import ListEntry, insert, plain


CONFIGS = "CONFIG_MAPPING_NAMES"
FOLDERS = "SPECIAL_MODEL_TYPE_TO_MODULE_NAME"
WIDTH = 119
_TABLE = re.compile(r"(\w+)(?:: [^=]+)? = OrderedDict\($")
_ENTRY = re.compile(r"""        \(\s*["']([^"']+)["'],\s*["'](\w+)["'],?\s*\),?""")
_START = re.compile(r"""        \((?:["']([^"']+)["'],|$)""")
_KEY = re.compile(r"""\s+["']([^"']+)["'],""")


@dataclass(frozen=True, slots=True)
class Table:
    """One table: where its entries are, and those of them that pair a model type with one name."""

    name: str
    entries: tuple[ListEntry, ...]
    values: dict[str, str]
    end: int  # the number of the line that closes the list of entries

    @property
    def head(self) -> str:
        """MODEL_FOR_CAUSAL_LM_MAPPING_NAMES -> FOR_CAUSAL_LM."""
        return self.name.removeprefix("MODEL_").removesuffix("MAPPING_NAMES").strip("_")


def read_tables(text: str) -> dict[str, Table]:
    """The tables of a file by name, in its order."""
    return {table.name: table for table in _tables(text.splitlines())}


def add_entry(text: str, table: str, key: str, value: str) -> str:
    """The text with an entry in a table; as it is where the table is missing or has that key already.

    Args:
        text: of the file.
        table: its name, "MODEL_MAPPING_NAMES".
        key: a model type.
        value: what the table pairs with it, such as the name of a class.
    """
    found = read_tables(text).get(table)
    if found is None or any(entry.key == key for entry in found.entries):
        return text
    lines = text.splitlines(keepends=True)
    new = f'        ("{key}", "{value}"),\n'
    if len(new) > WIDTH + 1:
        new = f'        (\n            "{key}",\n            "{value}",\n        ),\n'
    return "".join(insert(lines, found.entries, found.end, key, new, plain))


def _tables(lines: list[str]) -> Iterator[Table]:
    start = 0
    while start < len(lines):
        head = _TABLE.match(lines[start])
        start += 1
        if head:
            end = next((n for n in range(start, len(lines)) if lines[n] == ")"), len(lines))
            close = next((n for n in range(end - 1, start, -1) if lines[n] == "    ]"), end)
            entries = tuple(_entries(lines, start, close))
            pairs = _ENTRY.findall("\n".join(lines[start:close]))
            yield Table(head[1], entries, dict(pairs), close)
            start = end


def _entries(lines: list[str], start: int, end: int) -> Iterator[ListEntry]:
    for number in range(start, end):
        match = _START.match(lines[number])
        if match and not match[1]:
            match = _KEY.match(lines[number + 1])
        if match:
            yield ListEntry(match[1], number)
