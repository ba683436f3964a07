"""The command line. What it orders is imported when it is known to make sense: the help does without."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from places import PROJECT
from telling.answers import DONE, Answer, answer

from pull_request.arguments import parse


def main(argv: Sequence[str] | None = None, project: Path = PROJECT) -> int:
    """Run one command line; the exit status. `project` stands in for this one in tests."""
    try:
        args = parse(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE
    return answer(args, partial(_carry_out, project))


def _carry_out(project: Path, args: Namespace) -> Answer:
    from pull_request.orders import carry_out

    return carry_out(project, args)
