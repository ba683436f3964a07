"""A progress bar for whoever watches, and nothing for anybody else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from rich.progress import Progress as Rich


class Progress:
    """Counts bytes, or whatever else a step counts. This one shows nothing."""

    def start(self, what: str, total: int) -> None:
        """Begin a step of `total` bytes."""

    def advance(self, count: int) -> None:
        """Some bytes more were dealt with; called from several threads."""

    def stop(self) -> None:
        """Nothing follows."""


class Bar(Progress):
    """A bar on stderr for each step."""

    def __init__(self) -> None:
        self._bar: Rich | None = None

    def start(self, what: str, total: int) -> None:
        self.stop()
        if total:
            self._bar = _rich_bar()
            self._bar.start()
            self._bar.add_task(what, total=total)

    def advance(self, count: int) -> None:
        if self._bar:
            self._bar.advance(self._bar.task_ids[0], count)

    def stop(self) -> None:
        if self._bar:
            self._bar.stop()
        self._bar = None


def progress_for(quiet: bool) -> Progress:
    """A bar on a terminal, unless it is not wanted."""
    return Bar() if sys.stderr.isatty() and not quiet else Progress()


def _rich_bar() -> Rich:
    # Imported when there is something to show: rich takes longer to import than an overlay takes in all.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Rich

    text = TextColumn("{task.description}")
    columns = (text, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Rich(*columns, console=Console(stderr=True), transient=True)
