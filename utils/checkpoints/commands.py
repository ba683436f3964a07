"""How a command on checkpoints, data or pages ends: a status, and one line for whatever is refused."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from diagnostics.errors import LocatedError, words_of
from telling.answers import INTERRUPTED, Answer, answer
from telling.refusals import refused

from checkpoints.errors import CheckpointError, refused_by_the_system


STATUS = "exit status: 0 done, 2 refused: one line says what is wrong and what to do"


def guarded(
    command: Callable[[argparse.Namespace], Answer], args: argparse.Namespace, place: object, resumes: bool = True
) -> int:
    """Run a command and print its answer; the exit status. What it refuses is one line on stderr, and so are faults of ours.

    Args:
        command: what to run.
        args: of the command line. With `verbose`, a fault of ours is raised.
        place: what a problem without a place of its own is of.
        resumes: whether the command goes on where an interrupt stopped it.
    """
    return answer(args, lambda args: _answered(command, args, place, resumes))


def _answered(
    command: Callable[[argparse.Namespace], Answer], args: argparse.Namespace, place: object, resumes: bool
) -> Answer:
    try:
        return command(args)
    except (ImportError, BrokenPipeError):
        raise  # whoever started the command tells what is not installed, and sees that nobody reads
    except LocatedError as error:
        return refused(error)
    except OSError as error:
        return refused(refused_by_the_system(error, str(place)))
    except Exception as error:
        if args.verbose:
            raise
        fix = "run it again with --verbose, and report what it prints"
        said = words_of(error, whole=True, kind=True)
        return refused(CheckpointError(str(place), said, fix, code="internal-error"))
    except KeyboardInterrupt:
        if resumes:
            print("interrupted: the same command goes on where it stopped", file=sys.stderr)
        return Answer(INTERRUPTED, heard=False)
