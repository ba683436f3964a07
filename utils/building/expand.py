"""A few jobs from modular file to finished text: convert each, style all together, seal."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from converter.banner import seal
from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from syntax.source import Source
from syntax.trees import without_collection

from building.jobs import Convert, Job, Outcome, Task, crashed, refused
from building.library import Library, View, decode, shown
from building.style import SYNTAX, RuffFinding, Styled, style


_QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Expander:
    """Converts tasks one after the other and styles their files in one go. One per process: it remembers modules."""

    convert: Convert
    library: Library
    casing: Mapping[str, str]
    ruff_config: Path
    scratch: str | None = None  # where temporary folders go

    def expand(self, tasks: Sequence[Task]) -> list[Outcome]:
        """One outcome per task, in order, with the texts of all files but without their state on disk. Never raises."""
        with without_collection():
            outcomes = [self._convert(task) for task in tasks]
        try:
            return self._style(tasks, outcomes)
        except ConversionError as error:
            return [one if one.failed else refused(one, error.diagnostics) for one in outcomes]
        except Exception as error:  # a full disk, say
            return [one if one.failed else crashed(one, error) for one in outcomes]

    def _style(self, tasks: Sequence[Task], outcomes: Sequence[Outcome]) -> list[Outcome]:
        raw = {_styled_path(one.job, name): text for one in outcomes for name, text in one.texts.items()}
        if not raw:
            return list(outcomes)
        started = time.perf_counter()
        styled = style(raw, self.ruff_config, self.scratch)
        share = (time.perf_counter() - started) / len(tasks)
        finished = (_finish(one, task, styled) for one, task in zip(outcomes, tasks, strict=True))
        return [replace(one, seconds=one.seconds + share) for one in finished]

    def _convert(self, task: Task) -> Outcome:
        started = time.perf_counter()
        job, view = task.job, View(self.library, task.fresh)
        outcome = Outcome(job, states={})
        try:
            delta = Source(shown(job.delta), job.module, decode(task.delta, job.delta))
            conversion = self.convert(delta, job.target, view.load, self.casing)
            reads = view.reads | {name: view.digest(name) for name in conversion.reads if name != job.module}
            outcome = replace(outcome, texts=dict(conversion.files), warnings=conversion.warnings, reads=reads)
            outcome = replace(outcome, made_from=conversion.made_from)
        except ConversionError as error:
            outcome = refused(outcome, error.diagnostics)
        except Exception as error:  # a fault of ours must stop neither the other models nor the report
            outcome = crashed(outcome, error)
        return replace(outcome, seconds=time.perf_counter() - started)


def _styled_path(job: Job, name: str) -> str:
    """Where a file lies in transformers' repository, which is what its ruff configuration speaks of.

    Never where it will lie on disk: ruff sorts imports by the folders it finds around a file.
    """
    return f"src/{job.package.replace('.', '/')}/{name}"


def _finish(outcome: Outcome, task: Task, styled: Styled) -> Outcome:
    """The outcome with formatted and sealed texts, or refused for what ruff found in them."""
    paths = {name: _styled_path(outcome.job, name) for name in outcome.texts}
    found = [(name, one) for name, path in paths.items() for one in styled.findings.get(path, ())]
    # Each name once in a file; of a file that is no Python, one place is enough.
    told = {(name, one.message if one.code != SYNTAX else ""): _tell(task, name, one) for name, one in reversed(found)}
    diagnostics = tuple(reversed(told.values()))
    broken = any(one.code == SYNTAX for _, one in found)
    if broken or (diagnostics and task.job.target.strict):
        return refused(outcome, diagnostics)
    texts = {name: seal(styled.texts[path]) for name, path in paths.items()}
    return replace(outcome, texts=texts, warnings=outcome.warnings + diagnostics)


def _tell(task: Task, name: str, finding: RuffFinding) -> Diagnostic:
    """A finding in an output as a problem of the modular file, at the first mention of the name it is about."""
    path = shown(task.job.delta)
    if finding.code == SYNTAX:
        fix = "this is a fault of the converter: report it with the modular file"
        message = f"{name} would say `{finding.line}`: {finding.message}"
        return Diagnostic("invalid-output", path, 1, 1, message, fix)
    quoted = _QUOTED.search(finding.message)
    missing = quoted[1] if quoted else ""
    row, column = _place(task.delta.decode("utf-8", "replace"), missing)
    message = f"{name} would say `{finding.line}`, and nothing defines `{missing}`"
    return Diagnostic(
        "undefined-name", path, row, column, message, f"define or import `{missing}`, or correct its name"
    )


def _place(text: str, name: str) -> tuple[int, int]:
    found = re.search(rf"\b{re.escape(name)}\b", text) if name else None
    if found is None:
        return 1, 1
    return text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
