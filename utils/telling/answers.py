"""How a command answers: in words, or as one document and nothing beside it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from typing import Any

from telling.bars import switch_bars
from telling.documents import print_document, refusal


DONE, DIFFERENT, REFUSED, INTERRUPTED = 0, 1, 2, 130  # exit statuses; docs/commands.md has the table


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command came to.

    `result` is what was asked for (a list, a table), `words` are on what was done, which --quiet leaves out; `document` is
    both for programs. `problems` were told on stderr already, and are part of the document. An answer that is not `heard`
    is one of several processes that do one thing: it prints nothing.
    """

    status: int = DONE
    result: str = ""
    words: str = ""
    document: Any = None
    problems: tuple[Mapping[str, Any], ...] = ()
    heard: bool = True


def answer(args: argparse.Namespace, command: Callable[[argparse.Namespace], Answer]) -> int:
    """Run a command and print its answer; the exit status.

    With --json, stdout is the document's alone: what the command prints meanwhile, what libraries and processes print that
    it starts, goes to stderr.

    Args:
        args: of a `telling.grammar.Parser`.
        command: prints nothing that is part of its answer, and raises nothing that it can tell as a problem.
    """
    switch_bars(args.quiet)
    if not args.json:
        given = command(args)
        said = [given.result, "" if args.quiet else given.words]
        if given.heard and any(said):
            print("\n".join(filter(None, said)))
        return given.status
    with _stdout_alone():
        given = command(args)
    if given.heard:
        print_document(_whole(given))
    return given.status


def _whole(given: Answer) -> Any:
    """The document with its status and its problems; a list of things is a list."""
    if given.problems and not given.document:
        return refusal(given.problems, given.status)
    if not isinstance(given.document, (Mapping, type(None))):
        return given.document
    problems = {"problems": list(given.problems)} if given.problems else {}
    return {"status": given.status, **(given.document or {}), **problems}


@contextmanager
def _stdout_alone() -> Iterator[None]:
    """Whatever is written to stdout goes to stderr, by Python or by its number; where there is none, nothing does."""
    sys.stdout.flush()
    kept = None
    with suppress(OSError):
        kept = os.dup(1)
        os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stderr.flush()
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)
