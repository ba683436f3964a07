"""Names worked off by forks of this process, a few at a time, each in a group that ends as one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess


_FORK = get_context("fork")


def spread(work: Callable[[str], None], names: Sequence[str], processes: int, limit: float) -> Iterator[str]:
    """Each name when the process that works on it ended, or was ended after `limit` seconds with all its children.

    Args:
        work: called with a name in a process of its own.
        names: in the order in which they are begun.
        processes: how many run at a time.
        limit: seconds that a name may take.
    """
    waiting = list(reversed(names))
    running: dict[int, tuple[str, ForkProcess, float]] = {}  # by what says that one ended
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                process = _FORK.Process(target=_alone, args=(work, waiting[-1]))
                process.start()
                running[process.sentinel] = (waiting.pop(), process, time.monotonic() + limit)
            left = min(deadline for *_, deadline in running.values()) - time.monotonic()
            ended = wait(list(running), max(left, 0))
            late = [one for one, (*_, end) in running.items() if end <= time.monotonic()]
            for sentinel in [one for one in running if one in ended] or late:
                name, process, _ = running.pop(sentinel)
                _end(process)
                yield name
    finally:
        for _, process, _ in running.values():
            _end(process)


def _alone(work: Callable[[str], None], name: str) -> None:
    os.setsid()  # a group of its own, to be ended as one
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    work(name)


def _end(process: ForkProcess) -> None:
    try:
        assert process.pid  # it was started
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it ended and left nothing, or has not come to lead a group
        process.kill()
    process.join()
