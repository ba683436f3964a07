"""Commands run in a process of their own with little time and memory, as strangers' documents are to be read."""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path


SECONDS, MEBIBYTES = 2, 300
TRIES = 3  # a machine that is busy with other work counts some of it as ours; what takes long does so every time
YARDSTICK, YARDSTICK_SECONDS = "[" + '{"a": [0, 1]},' * 5_000 + "0]", 0.005  # what a 3 GHz processor reads it in


def limited(work: Callable[[], int], place: Path, seconds: float = SECONDS) -> tuple[int, str]:
    """The status that `work` returns, and what it says on stderr. It gets 2 s of processors' time and 300 MiB.

    A machine that takes longer than `YARDSTICK_SECONDS` over the yardstick, by itself or because another thread has half
    of its core, gives as much more time.

    Raises AssertionError where it takes more of either, or is ended by anything else. Prints nothing.
    """
    said, peak = place / "said", place / "peak"
    for _ in range(TRIES):
        child = os.fork()
        if not child:
            _live(work, said, peak, seconds)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status != -signal.SIGPROF:
            break
    text = said.read_text(encoding="utf-8", errors="replace") if said.exists() else ""
    assert status != -signal.SIGPROF, f"takes more than {seconds} s, as a 3 GHz processor counts them"
    assert status in (0, 1, 2), f"ended with {status}: {text[-2000:]}"
    assert float(peak.read_text()) <= MEBIBYTES, f"took {peak.read_text()} MiB"
    return status, text


def refused_in_a_line(work: Callable[[], int], place: Path) -> str:
    """The one line that a refused command says, within the limits."""
    status, said = limited(work, place)
    assert status == 2 and said.count("\n") == 1 and "; fix: " in said and "internal-error" not in said, said[-2000:]
    return said


def _live(work: Callable[[], int], said: Path, peak: Path, seconds: float) -> None:
    """The life of the process; it never returns."""
    status = 70
    try:
        gc.freeze()  # a collection would look at, and so copy, all that the tests' process has
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        sys.stdout, sys.stderr = open(os.devnull, "w"), open(said, "w", encoding="utf-8", errors="backslashreplace")
        before = _memory()
        room = (before["VmData"] + MEBIBYTES) * (1 << 20)
        resource.setrlimit(resource.RLIMIT_DATA, (int(room), int(room)))
        signal.setitimer(signal.ITIMER_PROF, seconds * _slowness())
        status = work()
        signal.setitimer(signal.ITIMER_PROF, 0)
        peak.write_text(f"{_memory()['VmHWM'] - before['VmRSS']:.1f}")
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _slowness() -> float:
    """How many times longer than a 3 GHz processor this one takes at present; 1 where it is faster."""
    start = time.process_time()
    json.loads(YARDSTICK)
    return max(1.0, (time.process_time() - start) / YARDSTICK_SECONDS)


def _memory() -> dict[str, float]:
    """What the system says of this process's memory, in MiB."""
    text = Path("/proc/self/status").read_text()
    return {name: int(size) / 1024 for name, size in re.findall(r"^(Vm\w+):\s+(\d+) kB", text, re.MULTILINE)}
