"""The tables of `auto/auto_mappings.py` and `auto/modeling_auto.py`: ("llama", "LlamaModel"), sorted as strings."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from syntax.edits import Edit, apply
from syntax.queries import assigned_names, callee, string

from pull_request.edits.ordering import ListEntry, place_of, plain
from pull_request.edits.reading import statements_in


CONFIGS = "CONFIG_MAPPING_NAMES"
FOLDERS = "SPECIAL_MODEL_TYPE_TO_MODULE_NAME"
WIDTH = 119


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
    """The tables of a file by name, in its order; none of a file that is no Python."""
    return {table.name: table for table in _tables(statements_in(text))}


def add_entries(text: str, wanted: Iterable[tuple[str, str, str]]) -> str:
    """The text with entries in tables; those of a table that is missing, or has the key already, are left out.

    Args:
        text: of the file.
        wanted: the name of a table ("MODEL_MAPPING_NAMES"), a model type, and what the table pairs with it, such as
            the name of a class. Of two for one model type in one table the first counts.
    """
    tables = read_tables(text)
    new: dict[tuple[str, str], str] = {}
    for name, key, value in wanted:
        if name in tables and all(entry.key != key for entry in tables[name].entries):
            new.setdefault((name, key), value)
    edits = []
    for (name, key), value in sorted(new.items(), key=lambda each: plain(each[0][1])):
        place = place_of(key, tables[name].entries, tables[name].end, plain)
        edits.append(Edit(place, place, _lines(key, value)))
    return "\n".join(apply(text.split("\n"), edits))


def _lines(key: str, value: str) -> tuple[str, ...]:
    line = f'        ("{key}", "{value}"),'
    if len(line) <= WIDTH:
        return (line,)
    return ("        (", f'            "{key}",', f'            "{value}",', "        ),")


def _tables(statements: Iterable[ast.stmt]) -> Iterator[Table]:
    """`NAME = OrderedDict([...])`, the list on lines of its own."""
    for node in statements:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Call):
            continue
        listed = node.value.args[0] if callee(node.value) == "OrderedDict" and node.value.args else None
        if not isinstance(listed, ast.List) or not listed.elts:
            continue
        end, last = listed.end_lineno or 0, listed.elts[-1].end_lineno or 0
        if end > last:
            pairs = list(_pairs(listed))
            entries = tuple(ListEntry(key, line) for key, _, line in pairs)
            values = {key: value for key, value, _ in pairs if value is not None}
            yield from (Table(name, entries, values, end - 1) for name in assigned_names(node))


def _pairs(listed: ast.List) -> Iterator[tuple[str, str | None, int]]:
    """Each entry's key, its value where that is one name, and the number of its first line."""
    for node in listed.elts:
        if isinstance(node, ast.Tuple) and len(node.elts) == 2 and (key := string(node.elts[0])) is not None:
            yield key, string(node.elts[1]), node.lineno - 1
