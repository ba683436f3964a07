"""What can be a name, and what somebody may have meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


_NAME = re.compile(r"[a-z][a-z0-9_]*")


def is_name(model: str) -> bool:
    """Whether a model can be called so: in lower case, and nothing beside the name."""
    return bool(_NAME.fullmatch(model))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` most likely misspells, or None when nothing is close."""
    matches = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return matches[0] if matches else None
