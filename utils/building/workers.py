"""Processes that work off chunks, kept for a whole run."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any


# Forked workers share what is already imported and read; elsewhere than on Linux, forking is not safe.
_CONTEXT = get_context("fork") if sys.platform == "linux" else get_context("spawn")


class Workers:
    """A pool of processes that all run one function, chunk by chunk.

    It is small because it promises little: no queue, and one chunk at a time for each worker. Unlike the standard
    pools it survives a worker that dies, and leaves neither processes nor messages behind on Ctrl-C.
    """

    def __init__(self, work: Callable[[Any], Any], count: int) -> None:
        self._work = work
        self._idle: list[Connection] = []
        self._busy: dict[Connection, Any] = {}
        self._processes: dict[Connection, BaseProcess] = {}
        self._froze = not gc.get_freeze_count()  # a process that froze its objects has done so for its own reasons
        if self._froze:
            gc.collect()
            gc.freeze()  # a collection in a forked worker would otherwise copy every shared page
        for _ in range(count):
            self._start()
        self.count = count

    @property
    def idle(self) -> int:
        """How many chunks may be submitted now."""
        return len(self._idle)

    @property
    def busy(self) -> bool:
        """Whether there is anything to collect."""
        return bool(self._busy)

    def submit(self, chunk: Any) -> None:
        """Hand a chunk to an idle worker."""
        pipe = self._idle.pop()
        self._busy[pipe] = chunk
        try:
            pipe.send(chunk)
        except OSError:
            pass  # the worker is dead: `collect` finds that out

    def collect(self) -> list[tuple[Any, Any | None]]:
        """Wait for work to be done; chunks with their results, None where the worker died over one."""
        done = []
        for pipe in wait(list(self._busy)):
            assert isinstance(pipe, Connection)
            chunk = self._busy.pop(pipe)
            try:
                done.append((chunk, pipe.recv()))
                self._idle.append(pipe)
            except (EOFError, OSError):
                self._processes.pop(pipe).join()
                pipe.close()
                self._start()
                done.append((chunk, None))
        return done

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for pipe, process in self._processes.items():
            pipe.close()
            process.terminate()
        for process in self._processes.values():
            process.join(timeout=5)
            if process.is_alive():
                process.kill()
        if self._froze:
            gc.unfreeze()

    def _start(self) -> None:
        ours, theirs = _CONTEXT.Pipe()
        # A forked worker holds copies of our ends; it closes them, or no worker would notice that we are gone.
        inherited = [ours, *self._processes] if _CONTEXT.get_start_method() == "fork" else []
        process = _CONTEXT.Process(target=_serve, args=(self._work, theirs, inherited), daemon=True)
        process.start()
        theirs.close()
        self._processes[ours] = process
        self._idle.append(ours)


def _serve(work: Callable[[Any], Any], pipe: Connection, inherited: list[Connection]) -> None:
    """The life of a worker: chunks in, results out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of us; the parent decides what it means
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that temporary files are removed
    for connection in inherited:
        connection.close()
    try:
        while True:
            pipe.send(work(pipe.recv()))
    except Exception:  # the pipe is closed, or the work failed: the parent sees the end, and nobody a traceback
        return
