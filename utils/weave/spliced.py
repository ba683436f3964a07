"""The function of a splice as it was read."""

from __future__ import annotations

import ast
from dataclasses import dataclass


@dataclass(frozen=True)
class Spliced:
    """The function of a splice: its parameters but `self`, and its body as lines at the left margin."""

    name: str
    parameters: tuple[str, ...]
    body: tuple[ast.stmt, ...]
    text: str
