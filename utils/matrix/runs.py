"""Every architecture from its name to its tests, and the page that says how far each came: what a command line orders."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

from building.cache import default_folder
from building.library import digest
from common_tests.problems import SuiteError
from diagnostics.errors import UnknownName
from diagnostics.names import nearest
from naming.kinds import MEANT, GateNames
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from telling.answers import DIFFERENT, DONE, INTERRUPTED, Answer, answer
from telling.refusals import refused
from weave.stage import kinds_in

from matrix.adopt import adopt
from matrix.common_tests import run_common
from matrix.documents import document_of, document_of_kind
from matrix.kinds import count as count_of_kind
from matrix.kinds import survey, write_page
from matrix.page import count, render_page
from matrix.pipeline import Settings, make_all, test_all
from matrix.results import Results
from matrix.values import Common, Made, Row, State, Subset
from matrix.workspace import BusyError, MatrixWorkspace


PAGE = "docs/architectures.md"
_COLOURS = {State.GATED: "green", State.FAILING: "red", State.STUCK: "red", State.REFUSED: "yellow"}


def carry_out(args: argparse.Namespace, known: Sequence[str], project: Path) -> int:
    """Gate and test, and tell; the exit status.

    Args:
        args: of `architecture_matrix.py`.
        known: every architecture.
        project: this one, or another in tests.
    """
    return answer(args, lambda args: _carried_out(args, known, project))


def _carried_out(args: argparse.Namespace, known: Sequence[str], project: Path) -> Answer:
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    console = Console(stderr=True, highlight=False, soft_wrap=True, quiet=args.quiet)
    names = GateNames(args.gate)
    if names != MEANT:
        return _of_kind(names, args, known, project, console)
    folder = args.work or _own_folder(project)
    workspace = MatrixWorkspace(project, folder / "project")
    try:
        workspace.open()
    except BusyError as error:
        return refused(error)
    sdists = None if args.subset is Subset.FAST else args.sdists
    settings = Settings(args.subset, args.jobs, args.limit, args.again, sdists, args.no_common)
    try:
        found = _run(workspace, args.model or known, Results(folder / "results"), settings, console)
    except KeyboardInterrupt:
        console.print("interrupted; what was tested is kept")
        return Answer(INTERRUPTED, heard=False)
    page = "" if args.model else PAGE
    if page:
        (project / page).write_text(render_page(found.rows, found.common, found.why_not), encoding="utf-8")
    if args.adopt:
        passing = {row.name for row in found.rows if row.state is State.GATED}
        adopt(workspace, [one.name for one in found.made if one.name in passing and not one.own_delta])
    console.print(", ".join(f"{number} {name}" for name, number in count(found.rows).items()))
    failing = any(row.state in (State.FAILING, State.STUCK) for row in found.rows)
    failing = failing or any(tests.failures for tests in found.common.values())
    return Answer(DIFFERENT if failing else DONE, document=document_of(found.rows, found.common, found.why_not, page))


def _own_folder(project: Path) -> Path:
    """Where a project's matrix is kept; where there is no home to keep it in, among what is temporary."""
    return (default_folder() or Path(gettempdir())) / f"matrix-{digest(str(project).encode())[:8]}"


def _of_kind(
    names: GateNames, args: argparse.Namespace, known: Sequence[str], project: Path, console: Console
) -> Answer:
    """The matrix of another kind of gate."""
    kinds = kinds_in(project / "modular" / "gates")
    if names.kind not in kinds:
        close = nearest(names.kind, kinds)
        told = f"did you mean {close}?" if close else f"there are {', '.join(kinds)}"
        message = f"there is no kind of gate called {names.kind!r}"
        return refused(UnknownName("unknown-gate", message, told))
    folder = args.work or _own_folder(project)
    rows = survey(names, args.model or known, project, folder / f"{names.kind}-project", args.jobs)
    for row in rows:
        console.print(" ".join(filter(None, (f"{row.verdict:<8}", row.name, row.where, row.why))), markup=False)
    page = "" if args.model else write_page(rows, names, project)
    if page:
        console.print(f"wrote {page}", markup=False)
    found = count_of_kind(rows)
    console.print(", ".join(f"{number} {name}" for name, number in found.items()))
    differs = any(found[name] for name in ("warns", "differs", "refused"))
    return Answer(DIFFERENT if differs else DONE, document=document_of_kind(rows, names, page))


@dataclass(frozen=True, slots=True)
class _Found:
    made: list[Made]
    rows: list[Row]
    common: Mapping[str, Common]
    why_not: str  # why transformers' tests were not run, where none was


def _run(
    workspace: MatrixWorkspace,
    names: Sequence[str],
    results: Results,
    settings: Settings,
    console: Console,
) -> _Found:
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    # No thread redraws the bar, since a process with threads must not be forked.
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("scaffolding, converting", total=len(names))

        def tell(name: str, text: str, colour: str) -> None:
            bar.update(task, advance=1, description=name)
            bar.console.print(text, style=colour, markup=False)
            bar.refresh()

        def tell_row(row: Row) -> None:
            tell(row.name, _said(row), _COLOURS[row.state])

        made = make_all(workspace, names, settings.processes, tell_row)
        rows = test_all(workspace, made, results, settings, tell_row)
        bar.update(task, completed=0, total=sum(one.state is State.GATED for one in made), description="common tests")
        try:
            common = run_common(workspace, made, results, settings, lambda *found: tell(*_said_common(*found)))
        except SuiteError as error:
            console.print(f"transformers' common tests were not run: {error}", style="red", markup=False)
            return _Found(made, rows, {}, error.message)
        return _Found(made, rows, common, "they were left out")


def _said(row: Row) -> str:
    tests = row.tests
    counts = f"{tests.passed} passed, {len(tests.failures)} failed, {tests.skipped} skipped"
    said = counts if row.state is State.GATED else f"{counts}: {row.reason}" if tests.failures else row.reason
    return f"{row.state.value:<8} {row.name}: {said}"


def _said_common(name: str, tests: Common) -> tuple[str, str, str]:
    """A name, what to print of it, and in which colour."""
    counts = f"{tests.passed} passed, {len(tests.failures)} failed, {tests.skipped} skipped"
    inherited = f", {len(tests.inherited)} inherited" if tests.inherited else ""
    first = ": ".join(("", *tests.failures[0])) if tests.failures else ""
    return name, f"common   {name}: {counts}{inherited}{first}", "red" if tests.failures else "green"
