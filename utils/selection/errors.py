"""Problems of data and of what was made of it, as one line each: which file, what is wrong with it, what to do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from checkpoints.errors import CheckpointError


DONE, REFUSED, INTERRUPTED = 0, 2, 130  # exit statuses
STATUS = "exit status: 0 done, 2 refused: one line says what is wrong and what to do"


class SelectionError(CheckpointError):
    """A corpus, scores or an option were refused."""


def guarded(command: Callable[[argparse.Namespace], None], args: argparse.Namespace) -> int:
    """Run a command; returns the exit status. Its refusals are one line on stderr, faults of ours as well."""
    try:
        command(args)
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return REFUSED
    except OSError as error:
        place = error.filename or args.output
        text = (error.strerror or str(error)).lower()
        print(SelectionError(place, text, "check the path, its rights and the disk"), file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("interrupted: the same command goes on where it stopped", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if args.verbose:
            raise
        fix = "run it again with --verbose, and report what it prints"
        text = f"{type(error).__name__}: {error}"
        print(SelectionError(args.output, text, fix, code="internal-error"), file=sys.stderr)
        return REFUSED
    return DONE
