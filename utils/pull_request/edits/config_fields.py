"""`utils/check_config_attributes.py`: the fields of configurations that modeling files may leave unread."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping

from syntax.queries import annotated, assigns, callee, classes, string
from syntax.trees import statements_of, tree_of


TABLE = "SPECIAL_CASES_TO_ALLOW"
# Names that say in themselves why no modeling file reads them.
_UNCHECKED = re.compile(r"init_std|dtype|_token_id|_token_index|initializer_range|use_cache|tie_word_embeddings")


def unread(fields: Iterable[str], modeling: str) -> list[str]:
    """The fields that a modeling file reads neither as `config.field` nor as `getattr(config, "field"`, in order."""
    return [name for name in fields if not _reads(modeling, name)]


def unchecked(field: str) -> bool:
    """Whether a field may stay unread by its name alone."""
    return _UNCHECKED.search(field) is not None


def declared(configuration: str | None) -> list[str]:
    """The fields that the classes of a configuration file declare: annotated names with or without a default."""
    return [name for node in classes(tree_of(configuration or "")) for name in annotated(node)]


def _reads(modeling: str, field: str) -> bool:
    """Whether the text mentions it so: the check that this has to agree with asks no tree either."""
    name = re.escape(field)
    return bool(re.search(rf"config\.{name}\b|getattr\(\s*(?:self\.)?config,\s*[\"']{name}[\"']", modeling))


def allow_fields(text: str, fields: Mapping[str, Iterable[str]], bases: Mapping[str, str]) -> str:
    """The text with the configurations' exceptions.

    Args:
        fields: configuration class -> its fields that may stay unread.
        bases: configuration class -> the base's, whose exceptions hold for it as well.
    """
    tables = _tables(text)
    if not tables:
        return text
    pairs = [pair for table in tables for pair in zip(table.keys, table.values)]
    known = {name: value for key, value in pairs if (name := string(key)) is not None}
    new: dict[int, str] = {}
    for config, own in fields.items():
        base = known.get(bases.get(config, ""))
        value = _value(own, base)
        if config not in known and value:
            line = base.end_lineno if base is not None else tables[0].lineno
            new[line or 1] = new.get(line or 1, "") + f'    "{config}": {value},\n'
    return "".join(line + new.get(number, "") for number, line in enumerate(text.splitlines(keepends=True), 1))


def _value(own: Iterable[str], base: ast.expr | None) -> str:
    """A list of field names; or `True`, which allows every field, where the base has that."""
    if isinstance(base, ast.Constant):
        return repr(base.value)
    inherited = [ast.literal_eval(each) for each in base.elts] if isinstance(base, ast.List) else []
    names = [*inherited, *(name for name in own if name not in inherited)]
    return "[" + ", ".join(f'"{name}"' for name in names) + "]" if names else ""


def _tables(text: str) -> list[ast.Dict]:
    """`SPECIAL_CASES_TO_ALLOW = {...}` and every `SPECIAL_CASES_TO_ALLOW.update({...})` behind it."""
    found: list[ast.expr] = []
    for node in statements_of(text):
        if isinstance(node, ast.Assign | ast.AnnAssign) and assigns(node, TABLE) and node.value is not None:
            found.append(node.value)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            found += node.value.args[:1] if callee(node.value) == f"{TABLE}.update" else []
    return [each for each in found if isinstance(each, ast.Dict)]


def allowed(text: str) -> dict[str, tuple[str, ...]]:
    """The exceptions of a file: configuration class -> fields. One that allows every field is not among them."""
    pairs = [pair for table in _tables(text) for pair in zip(table.keys, table.values)]
    return {
        ast.literal_eval(key): tuple(ast.literal_eval(value))
        for key, value in pairs
        if key and isinstance(value, ast.List)
    }
