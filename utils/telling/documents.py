"""What --json prints: one document that any reader of JSON takes. docs/commands.md has the fields."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from diagnostics.values import Diagnostic


REFUSED = 2


def problem(code: str, message: str, fix: str = "", path: str = "", line: int = 0, column: int = 0) -> dict[str, Any]:
    """One problem: its code of docs/errors.md ("" where it has none), where it is, what is wrong, what to do.

    What is not known is left out: the path of a problem with a command line, the line in a file that has none.

    Args:
        code: of docs/errors.md.
        message: what is wrong.
        fix: what to do.
        path: a file, a folder or an option.
        line, column: from 1; 0 where there are none.
    """
    found = {"code": code, "path": path, "line": line, "column": column, "message": message, "fix": fix}
    return {name: value for name, value in found.items() if value or name in ("code", "message")}


def problem_of(found: Diagnostic) -> dict[str, Any]:
    """The same of a diagnostic."""
    return problem(found.code, found.message, found.fix, found.path, found.line, found.column)


def refusal(problems: Iterable[Mapping[str, Any]], status: int = REFUSED) -> dict[str, Any]:
    """The document of a command that did nothing."""
    return {"status": status, "problems": list(problems)}


def print_document(document: Any) -> None:
    """To stdout. In ASCII, which every terminal and every encoding of a pipe takes."""
    print(json.dumps(plain(document), indent=2, allow_nan=False))


def plain(value: Any) -> Any:
    """A value in the terms of JSON: a path is its text, and a number that is none (a loss, say) is null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    if isinstance(value, Enum):
        return plain(value.value)
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):  # a number of numpy
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
