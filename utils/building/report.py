"""What a user gets to read: one line per model, diffs, problems, a count; and the exit status that sums them up."""

from __future__ import annotations

import difflib
import io
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from converter.banner import is_edited
from converter.kinds import kind_of_module
from diagnostics.values import Diagnostic
from telling.answers import Answer
from telling.documents import problem_of

from building.jobs import Outcome, State
from building.library import shown
from building.outputs import before, changed


FRESH, DIFFERENT, REFUSED = 0, 1, 2  # exit statuses


class Mode(Enum):
    """What a run does with what it made."""

    WRITE = "write"
    CHECK = "check"  # compare with what is on disk; a difference is a failure
    DIFF = "diff"  # print what writing would change
    PRINT = "print"  # print the files


_WORDS = {State.DIFFERS: "differs", State.MISSING: "is missing", State.LEFTOVER: "is left over"}


def unified_diff(outcome: Outcome) -> str:
    """What writing an outcome would change, in the form that `patch -p0` takes; empty where it is fresh."""
    return "".join(_file_diff(outcome, name) for name in changed(outcome) if not outcome.failed)


def _file_diff(outcome: Outcome, name: str) -> str:
    path, state = outcome.job.folder / name, outcome.states[name]
    old = "/dev/null" if state is State.MISSING else shown(path)
    new = "/dev/null" if state is State.LEFTOVER else shown(path)
    lines = difflib.unified_diff(_lines(before(path)), _lines(outcome.texts.get(name, "")), old, new)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    return list(io.StringIO(text))  # at newlines alone: `splitlines` also splits at form feeds


def summary(outcome: Outcome, mode: Mode) -> str:
    """One line on what became of a model, and one on why it is stale."""
    folder, names = shown(outcome.job.folder), changed(outcome)
    if outcome.problems:
        return f"refused {shown(outcome.job.delta)}: {_count(len(outcome.problems), 'problem')}"
    if outcome.blocked_by:
        return f"skipped {shown(outcome.job.delta)}: {outcome.blocked_by} was refused"
    if outcome.fresh:
        return f"fresh   {folder}: {_count(len(outcome.states), 'file')}"
    if mode is Mode.CHECK:
        why = f"\n        why: {outcome.why}" if outcome.why else ""
        return f"stale   {folder}: {', '.join(f'{name} {_standing(outcome, name)}' for name in names)}{why}"
    removed = [name for name in names if outcome.states[name] is State.LEFTOVER]
    written = [name for name in names if name not in removed]
    words = ("wrote  ", "removed") if mode is Mode.WRITE else ("would write", "would remove")
    said = [
        f"{word} {folder}: {', '.join(some)}" for word, some in zip(words, (written, removed), strict=True) if some
    ]
    return "; ".join(said)


def _standing(outcome: Outcome, name: str) -> str:
    if outcome.states[name] is State.DIFFERS and is_edited(before(outcome.job.folder / name)):
        return "was edited by hand"
    return _WORDS[outcome.states[name]]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def details(outcome: Outcome) -> str:
    """What `--verbose` adds on a model: how long it took, and every module that it was made from."""
    how = "from the cache" if outcome.cached else f"{outcome.seconds:.3f} s"
    lines = [f"{outcome.job.name}: {how}"]
    lines += [f"    reads {name}{'' if found else ' (not there)'}" for name, found in sorted(outcome.reads.items())]
    return "\n".join([*lines, *outcome.trace.splitlines()])


def as_document(outcome: Outcome, mode: Mode) -> dict[str, Any]:
    """What became of one model, for programs: whether its files are as they should be or were written, and its problems."""
    words = {Mode.WRITE: "written", Mode.CHECK: "stale"}
    done = "refused" if outcome.problems else "skipped" if outcome.blocked_by else "fresh" if outcome.fresh else ""
    found = {
        "model": outcome.job.name,
        "folder": shown(outcome.job.folder),
        "state": done or words.get(mode, "differs"),
        "files": {name: state.value for name, state in outcome.states.items()},
        "problems": [problem_of(each) for each in outcome.problems],
        "warnings": [problem_of(each) for each in outcome.warnings],
        "blocked_by": outcome.blocked_by,
        "why": outcome.why,
    }
    found |= {"texts": dict(outcome.texts)} if mode is Mode.PRINT else {}
    return found | ({"diff": unified_diff(outcome)} if mode is Mode.DIFF else {})


def count_identical(outcomes: Iterable[Outcome]) -> tuple[int, int]:
    """How many files on disk are as the converter makes them, of how many it makes or once made."""
    states = [state for outcome in outcomes for state in outcome.states.values()]
    # Of a model that was refused, or skipped, no file counts as identical.
    return states.count(State.SAME), len(states)


def table(outcomes: Iterable[Outcome]) -> str:
    """How many files of each kind are as the converter makes them; a model that was refused makes none."""
    counts: dict[str, Counter[State]] = defaultdict(Counter)
    for outcome in outcomes:
        for name, state in outcome.states.items():
            counts[kind_of_module(name.removesuffix(".py")) or name][state] += 1
    columns = {"identical": (State.SAME,), "different": (State.DIFFERS, State.UNKNOWN)}
    columns |= {"missing": (State.LEFTOVER,), "not on disk": (State.MISSING,)}
    rows = [
        (kind, [sum(found[state] for state in states) for states in columns.values()])
        for kind, found in counts.items()
    ]
    rows = sorted(rows) + [("all", [sum(column) for column in zip(*(numbers for _, numbers in rows), strict=True)])]
    width = max(len(kind) for kind, _ in rows)
    lines = [" " * width + "".join(f"{name:>13}" for name in columns)]
    lines += [f"{kind:<{width}}" + "".join(f"{number:>13}" for number in numbers) for kind, numbers in rows]
    return "\n".join(lines)


@dataclass(slots=True)
class Report:
    """Prints outcomes as they are added, and knows the exit status. Results go to stdout, all else to stderr."""

    mode: Mode = Mode.WRITE
    quiet: bool = False
    verbose: bool = False
    json: bool = False  # whether the answer is for programs, which need no words for it
    status: int = FRESH
    models: list[dict[str, Any]] = field(default_factory=list)  # what was told of each, for programs
    refused: list[Diagnostic] = field(default_factory=list)  # what ended the run
    document: dict[str, Any] = field(default_factory=dict)  # of a run that has a report of its own
    _told: set[Diagnostic] = field(default_factory=set)

    def add(self, outcome: Outcome) -> None:
        """Tell what became of one model."""
        self.models.append(as_document(outcome, self.mode))
        self.tell(outcome.problems, "")
        self.tell(outcome.warnings, "warning: ")
        if self.verbose:
            self.note(details(outcome))
        if not self.quiet and (outcome.failed or self.mode is not Mode.PRINT):
            # A diff or a text is read by other programs: lines on models go elsewhere.
            apart = self.mode in (Mode.DIFF, Mode.PRINT)
            print(summary(outcome, self.mode), file=sys.stderr if apart else sys.stdout)
        if outcome.failed:
            self.status = REFUSED
        elif self.mode is Mode.CHECK and not outcome.fresh:
            self.status = max(self.status, DIFFERENT)

    def tell(self, diagnostics: Iterable[Diagnostic], prefix: str) -> None:
        """Print problems, each once: a mistake in a shared file is one mistake."""
        for diagnostic in diagnostics:
            if diagnostic not in self._told:
                self._told.add(diagnostic)
                self.note(f"{prefix}{diagnostic}")

    def refuse(self, diagnostics: Sequence[Diagnostic]) -> int:
        """Print problems that end the run; the exit status."""
        self.refused += diagnostics
        self.tell(diagnostics, "")
        self.status = REFUSED
        return self.status

    def result(self, text: str) -> None:
        """Print what was asked for."""
        if self.json:
            return
        print(text, end="" if text.endswith("\n") or not text else "\n")

    def answer(self) -> Answer:
        """All of it for programs. Words were printed as they came."""
        return Answer(
            self.status,
            document=self.document or ({} if self.refused else {"models": self.models}),
            problems=(*map(problem_of, self.refused), *(each for model in self.models for each in model["problems"])),
        )

    def note(self, text: str) -> None:
        """Print what is no result."""
        print(text, file=sys.stderr)


class Progress:
    """A bar on stderr while models are converted: from the first that is not in the cache, on a terminal alone."""

    def __init__(self, total: int, shown: bool) -> None:
        self._total = total
        self._shown = shown and total > 1 and sys.stderr.isatty()
        self._done = 0
        self._bar: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, outcome: Outcome) -> None:
        """Count one more model."""
        self._done += 1
        if self._shown and self._bar is None and not outcome.cached:
            self._start()
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=self._done, description=outcome.job.name, refresh=True)

    def _start(self) -> None:
        # Imported when there is something to show: rich takes as long to import as a fresh run takes in all.
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        # Without a thread that redraws, since a process with threads must not be forked.
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
        self._bar.add_task("", total=self._total)
        self._bar.start()


def texts(outcome: Outcome, alone: bool) -> Iterator[str]:
    """The texts of an outcome, each under a line that names its file unless it is the only one."""
    for name, text in sorted(outcome.texts.items()):
        yield text if alone else f"# ---- {shown(outcome.job.folder / name)}\n{text}"
