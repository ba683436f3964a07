"""How a command on checkpoints, data or pages ends: a status, and one line for whatever is refused."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from facts.entries import PeculiarError

from checkpoints.errors import CheckpointError, refused_by_the_system


DONE, DIFFERENT, REFUSED, INTERRUPTED = 0, 1, 2, 130  # exit statuses
STATUS = "exit status: 0 done, 2 refused: one line says what is wrong and what to do"


def guarded(
    command: Callable[[argparse.Namespace], int | None], args: argparse.Namespace, place: object, resumes: bool = True
) -> int:
    """Run a command; the exit status. What it refuses is one line on stderr, and so are faults of ours.

    Args:
        command: what to run; where it returns nothing, it is done.
        args: of the command line. With `verbose`, a fault of ours is raised.
        place: what a problem without a place of its own is of.
        resumes: whether the command goes on where an interrupt stopped it.
    """
    try:
        return command(args) or DONE
    except (CheckpointError, PeculiarError) as error:
        print(error, file=sys.stderr)
    except (ImportError, BrokenPipeError):
        raise  # whoever started the command tells what is not installed, and sees that nobody reads
    except OSError as error:
        print(refused_by_the_system(error, str(place)), file=sys.stderr)
    except Exception as error:
        if args.verbose:
            raise
        fix = "run it again with --verbose, and report what it prints"
        told = CheckpointError(str(place), f"{type(error).__name__}: {error}", fix, code="internal-error")
        print(told, file=sys.stderr)
    except KeyboardInterrupt:
        if resumes:
            print("interrupted: the same command goes on where it stopped", file=sys.stderr)
        return INTERRUPTED
    return REFUSED
