"""The CamelCase table: model type -> class prefix, read from transformers' text."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path


TABLE = "CONFIG_MAPPING_NAMES"
# A top-level statement that fills the table: it starts at the margin and lasts until the next line that does and
# is no closing bracket.
_STATEMENT = re.compile(rf"^{TABLE}\b(?:\.update\(|[^=\n]*=).*\n(?:(?:[ \t)\]}}#].*)?\n)*", re.MULTILINE)
_PAIR = re.compile(r"""["']([^"'\s]+)["']\s*[,:]\s*["'](\w+)["']""")
_MERGED = re.compile(rf"\*\*{TABLE}\b")


def read_casing(package: Path) -> dict[str, str]:
    """The prefixes of a transformers package, {"llama": "Llama", "gpt_oss": "GptOss", ...}, in transformers' order.

    Empty where the package has no table, as a tree of a few models may.
    """
    table: dict[str, str] = {}
    for name in ("auto_mappings.py", "configuration_auto.py"):
        try:
            text = Path(os.path.join(package, "models", "auto", name)).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        for statement in _STATEMENT.finditer(text):
            table = _fill(table, statement[0])
    return {model: config.replace("Config", "") for model, config in table.items()}


def _fill(table: Mapping[str, str], statement: str) -> dict[str, str]:
    """The table after one statement. `X = OrderedDict(**{...}, **X)` puts its own pairs in front of the old ones."""
    merged = _MERGED.search(statement)
    if merged is None:
        return {**table, **dict(_pairs(statement))}
    return {**dict(_pairs(statement[: merged.start()])), **table, **dict(_pairs(statement[merged.end() :]))}


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return ((pair[1], pair[2]) for pair in _PAIR.finditer("\n".join(lines)))
