"""How every script of this folder starts its tool, and how Ctrl-C ends each: without a word of Python, with 130."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from types import FrameType
from typing import Any, NoReturn

from telling.bars import switch_bars
from telling.documents import print_document, problem, refusal
from telling.grammar import asks_for_json


INTERRUPTED = 130  # what a shell reports of a process that Ctrl-C ended
IMPORTING = "<frozen importlib._bootstrap>"  # the file of Python's own code that imports
UNREAD = 141  # and of one whose output nobody reads
REFUSED = 2
# Packages that a tool may lack -> the extra that brings them
EXTRAS = {
    **dict.fromkeys(("transformers", "jinja2", "libcst", "rich", "numpy", "yaml", "safetensors"), ""),
    "torch": "[torch]",
    **dict.fromkeys(("accelerate", "datasets", "datatrove", "peft", "pyarrow", "sklearn"), "[data]"),
    "llmlingua": "[memory]",
    **dict.fromkeys(("gguf", "matplotlib", "pytest"), "[test]"),
}
AGAIN = 0.05  # seconds after which an interrupt that Python lost comes back


def run(module: str, function: str = "main", **given: Any) -> NoReturn:
    """End the process with the status that a tool's function returns.

    Ctrl-C is quiet from the first import on, which for torch takes seconds, to the last thread that is waited for. What
    a tool has to put away when it is interrupted, its own `finally` blocks have done by then.

    Args:
        module: where the tool's function is: "pull_request.cli".
        function: its name; it takes the command line from sys.argv.
        given: further arguments of it.
    """
    raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not where a shell has it ignored
    try:
        if raises:
            signal.signal(signal.SIGINT, _leave)
        switch_bars()
        _hush_transformers()
        tool = getattr(import_module(module), function)
        if raises:
            sys.unraisablehook = _come_again
            signal.signal(signal.SIGINT, partial(_interrupt, os.getpid()))
        status = tool(**given)
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:  # `... | head`: whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = UNREAD
    except ImportError as error:
        if not (said := _missing(error)):
            raise
        print(said, file=sys.stderr)
        if asks_for_json(sys.argv[1:]):
            message, _, fix = said.partition("; fix: ")
            print_document(refusal([problem("not-installed", message, fix)]))
        status = REFUSED
    if status == INTERRUPTED:
        if raises:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.collect()  # generators put away what they hold, though a cycle with the traceback keeps them
        _leave()
    raise SystemExit(status)


def _hush_transformers() -> None:
    """Without torch transformers warns at its import, and tools that need torch say themselves how to install it."""
    if find_spec("torch") is None:
        os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")


def _interrupt(tool: int, number: int, frame: FrameType | None) -> None:
    """Ctrl-C in a tool: what it has to put away, its `finally` blocks do. In an import it waits until that is done,
    since some libraries catch whatever is raised in theirs. Its forks end at once, for what they write in is put away.
    """
    while frame is not None and os.getpid() == tool:
        if frame.f_code.co_filename == IMPORTING:
            return _again()
        frame = frame.f_back
    raise KeyboardInterrupt


def _again() -> None:
    """The signal once more, in a moment; it ends a sleep as well."""
    threading.Timer(AGAIN, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()


def _missing(error: ImportError) -> str | None:
    """One line on a package that is not installed, or a transformers that is another release; None for a fault of ours."""
    name = (error.name or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and name == error.name and name in EXTRAS:
        extra = EXTRAS[name]
        return f"{name} is not installed; fix: pip install 'quality-gate{extra}', or in a clone: pip install -e '.{extra}'"
    if name == "transformers" and not isinstance(error, ModuleNotFoundError):
        from importlib.metadata import version

        fix = "install a release that this one is made for: pip install --upgrade quality-gate transformers"
        return f"transformers {version('transformers')} lacks what is used here ({error}); fix: {fix}"
    return None


def _come_again(lost: sys.UnraisableHookArgs) -> None:
    """Python drops what is raised in a callback, and importing runs many: Ctrl-C in one would do nothing."""
    if lost.exc_type is KeyboardInterrupt:
        _again()
    else:
        sys.__unraisablehook__(lost)


def _leave(number: int = signal.SIGINT, frame: FrameType | None = None) -> NoReturn:
    """End now: libraries' threads and their last words are not waited for, and a second Ctrl-C finds nobody.

    It is the signal's handler while a tool is imported: there is nothing to put away yet, and some libraries' imports
    catch whatever is raised in them.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody reads it any more
            pass
    os._exit(INTERRUPTED)
