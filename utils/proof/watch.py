"""What a call says and where: warnings, log lines, errors, each with the statement of the converted file behind it."""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any


_LOGGERS = ("", "transformers")  # transformers keeps its lines from the root


@dataclass(frozen=True, slots=True)
class Said:
    """A warning or a line in a log."""

    what: str  # "FutureWarning: ..."
    where: str


@dataclass(slots=True)
class Call:
    """What became of a call."""

    given: Any = None
    error: str = ""  # "ValueError: ..."
    where: str = ""  # of the error
    said: list[Said] = field(default_factory=list)


def watched(work: Callable[[], Any], converted: Path) -> Call:
    """Call `work`, and keep what it gives, raises and says. `converted` is the folder of the converted files."""
    with _listening(converted) as said:
        try:
            return Call(given=work(), said=said)
        except Exception as error:
            what = _message(type(error).__name__, str(error), converted)
            return Call(error=what, where=raised_in(error, converted), said=said)


def raised_in(error: BaseException, converted: Path) -> str:
    """The innermost function of a converted file that an error passed through; without one, the innermost of all."""
    frames = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    own = [each for each in frames if _is_of(each[0], converted)]
    return _place(*(own or frames)[-1]) if frames else ""


@contextmanager
def _listening(converted: Path) -> Iterator[list[Said]]:
    said: list[Said] = []

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        said.append(Said(_message(category.__name__, str(message), converted), _called_from(converted)))

    handler = _Listener(lambda line: said.append(Said(_message("log", line, converted), _called_from(converted))))
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        for logger in loggers:
            logger.addHandler(handler)
        try:
            yield said
        finally:
            for logger in loggers:
                logger.removeHandler(handler)


class _Listener(logging.Handler):
    """Hands the text of warnings on."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.getMessage())


def _called_from(converted: Path) -> str:
    """The innermost function of a converted file that is being run; "" where none is."""
    frame: FrameType | None = sys._getframe(1)
    while frame and not _is_of(frame, converted):
        frame = frame.f_back
    return _place(frame, frame.f_lineno) if frame else ""


def _is_of(frame: FrameType, converted: Path) -> bool:
    return Path(frame.f_code.co_filename).is_relative_to(converted)


def _place(frame: FrameType, line: int) -> str:
    return f"{frame.f_code.co_qualname} ({Path(frame.f_code.co_filename).name}:{line})"


def _message(kind: str, text: str, converted: Path) -> str:
    """A message in one line, without the folder that is another one in every run."""
    here = str(converted.parents[1])
    return f"{kind}: {' '.join(text.split())}".replace(f"{here}/path/", "").replace(f"{here}/", "")
