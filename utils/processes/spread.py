"""Names worked off by forks of this process, a few at a time, each in a group that ends as one."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from types import FrameType


_FAILED = 1  # the exit status of work that raised


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of the work on a name."""

    name: str
    status: int  # that its process exited with; below 0, the signal that ended it
    seconds: float


@dataclass(frozen=True, slots=True)
class _Running:
    name: str
    process: int
    started: float


def spread(
    work: Callable[[str], None], names: Sequence[str], processes: int, limit: float
) -> Generator[Ended, None, None]:
    """Each name when the process that works on it ended, or was ended after `limit` seconds with all its children.

    Whatever ends this, no process goes on without it. Processes of multiprocessing are not used, since those of a pool
    may have none of their own.

    Args:
        work: called with a name, in a fork that shares what this process has imported; what it returns is lost.
        names: in the order in which they are begun.
        processes: how many at a time.
        limit: seconds of the clock for each.
    """
    waiting = list(reversed(names))
    running: dict[int, _Running] = {}  # by a pipe that closes when the process ends
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                with _interrupts_held():
                    pipe, process = _start(work, waiting[-1])
                    running[pipe] = _Running(waiting.pop(), process, time.monotonic())
            left = min(one.started for one in running.values()) + limit - time.monotonic()
            done = wait(list(running), max(left, 0))
            late = [pipe for pipe, one in running.items() if one.started + limit <= time.monotonic()]
            for pipe in [pipe for pipe in running if pipe in done] or late:
                one = running.pop(pipe)
                os.close(pipe)
                yield Ended(one.name, _end(one.process), time.monotonic() - one.started)
    finally:
        for pipe, one in running.items():
            os.close(pipe)
            _end(one.process)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits for the end of the block: between a fork and the note of it, nobody would end the process."""
    if threading.current_thread() is not threading.main_thread():  # Python interrupts no other
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    handler = signal.signal(signal.SIGINT, lambda *given: came.append(given))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if came and callable(handler):
        handler(*came[0])


def forked(work: Callable[[], None]) -> int:
    """The exit status of work in a fork of this process; below 0, the signal that ended it.

    The fork belongs to the group of this process, so that whatever ends the group ends it as well.
    """
    return os.waitstatus_to_exitcode(os.waitpid(_fork(work), 0)[1])


def _start(work: Callable[[str], None], name: str) -> tuple[int, int]:
    """Fork: a pipe that closes when the process ends, and its number."""
    ours, theirs = os.pipe()

    def lead() -> None:
        os.close(ours)
        os.setsid()  # a group of its own, to be ended as one
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        work(name)

    process = _fork(lead)
    os.close(theirs)
    return ours, process


def _fork(work: Callable[[], None]) -> int:
    """The number of a new process that does some work, and ends with the status that it leaves with."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # or the fork prints it once more
    if process := os.fork():
        return process
    status = _FAILED
    try:
        work()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else _FAILED
    except KeyboardInterrupt:  # whoever waits for this process says so
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


def _end(process: int) -> int:
    """End a process with its group, if it has not; its exit status."""
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:  # it ended and left nothing, or has not come to lead a group
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
