"""How every script of this folder starts its tool, and how Ctrl-C ends each: without a word of Python, with 130."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, NoReturn


INTERRUPTED = 130  # what a shell reports of a process that Ctrl-C ended


def run(module: str, function: str = "main", **given: Any) -> NoReturn:
    """End the process with the status that a tool's function returns.

    Ctrl-C is quiet from the first import on, which for torch takes seconds, to the last thread that is waited for. What
    a tool has to put away when it is interrupted, its own `finally` blocks have done by then.

    Args:
        module: where the tool's function is: "upstream.cli".
        function: its name; it takes the command line from sys.argv.
        given: further arguments of it.
    """
    try:
        status = getattr(import_module(module), function)(**given)
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    if status == INTERRUPTED:
        _leave()
    raise SystemExit(status)


def _leave() -> NoReturn:
    """End now: libraries' threads and their last words are not waited for, and a second Ctrl-C finds nobody."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody reads it any more
            pass
    os._exit(INTERRUPTED)
