"""What a command answers where something is refused: it is said on stderr, and is part of the document for programs."""

from __future__ import annotations

import sys

from diagnostics.errors import LocatedError

from telling.answers import REFUSED, Answer
from telling.documents import problem_of


def refused(error: LocatedError, status: int = REFUSED) -> Answer:
    """Print what is wrong, and answer with it."""
    print(error, file=sys.stderr)
    return Answer(status, problems=tuple(map(problem_of, error.diagnostics)))
