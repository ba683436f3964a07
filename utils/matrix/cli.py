"""The command line: every architecture from its name to its tests, and the page that says how far each came."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

from building.cache import default_folder
from building.library import digest
from building.workspace import FAMILY
from common_tests.problems import SuiteError
from diagnostics.names import nearest
from naming.kinds import MEANT, GateNames
from places import PROJECT
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from weave.stage import kinds_in

from matrix.adopt import adopt
from matrix.common_tests import run_common
from matrix.kinds import count as count_of_kind
from matrix.kinds import survey, write_page
from matrix.page import count, render_page
from matrix.pipeline import Settings, make_all, test_all
from matrix.results import Results
from matrix.values import Common, Made, Row, State, Subset
from matrix.workspace import BusyError, MatrixWorkspace, architectures


PAGE = "docs/architectures.md"
_COLOURS = {State.GATED: "green", State.FAILING: "red", State.STUCK: "red", State.REFUSED: "yellow"}
_EXAMPLES = """\
examples:
  %(prog)s                             every architecture, and docs/architectures.md
  %(prog)s --fast                      the tests that are marked fast, and none of transformers' own
  %(prog)s --model mistral             one architecture
  %(prog)s --adopt                     every architecture; those that pass go into modular/, generated/, tests/models/

Results are kept outside the project until something that they depend on changes: an interrupted run goes on where it ended.
exit status: 0 done, 1 tests fail or an architecture got stuck, 2 refused
"""


def main(argv: Sequence[str] | None = None, project: Path = PROJECT) -> int:
    """Run one command line; the exit status."""
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    known = architectures()
    try:
        args = parse(argv, known)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    names = GateNames(args.gate)
    if names != MEANT:
        return _of_kind(names, args, known, project, console)
    folder = args.work or _own_folder(project)
    workspace = MatrixWorkspace(project, folder / "project")
    try:
        workspace.open()
    except BusyError as error:
        console.print(str(error), markup=False)
        return 2
    sdists = None if args.subset is Subset.FAST else args.sdists
    settings = Settings(args.subset, args.jobs, args.limit, args.again, sdists, args.no_common)
    try:
        found = _run(workspace, args.model or known, Results(folder / "results"), settings, console)
    except KeyboardInterrupt:
        console.print("interrupted; what was tested is kept")
        return 130
    if not args.model:
        (project / PAGE).write_text(render_page(found.rows, found.common, found.why_not), encoding="utf-8")
    if args.adopt:
        passing = {row.name for row in found.rows if row.state is State.GATED}
        adopt(workspace, [one.name for one in found.made if one.name in passing and not one.own_delta])
    console.print(", ".join(f"{number} {name}" for name, number in count(found.rows).items()))
    failing = any(row.state in (State.FAILING, State.STUCK) for row in found.rows)
    return int(failing or any(tests.failures for tests in found.common.values()))


def _own_folder(project: Path) -> Path:
    """Where a project's matrix is kept; where there is no home to keep it in, among what is temporary."""
    return (default_folder() or Path(gettempdir())) / f"matrix-{digest(str(project).encode())[:8]}"


def _of_kind(names: GateNames, args: argparse.Namespace, known: Sequence[str], project: Path, console: Console) -> int:
    """The matrix of another kind of gate; the exit status."""
    kinds = kinds_in(project / "modular" / "gates")
    if names.kind not in kinds:
        close = nearest(names.kind, kinds)
        told = f"did you mean {close}?" if close else f"there are {', '.join(kinds)}"
        console.print(f"--gate: there is no kind of gate called {names.kind!r}; {told}", markup=False)
        return 2
    folder = args.work or _own_folder(project)
    rows = survey(names, args.model or known, project, folder / f"{names.kind}-project", args.jobs)
    for row in rows:
        console.print(" ".join(filter(None, (f"{row.verdict:<8}", row.name, row.where, row.why))), markup=False)
    if not args.model:
        console.print(f"wrote {write_page(rows, names, project)}", markup=False)
    found = count_of_kind(rows)
    console.print(", ".join(f"{number} {name}" for name, number in found.items()))
    return int(any(found[name] for name in ("warns", "differs", "refused")))


def parse(argv: Sequence[str] | None, known: Sequence[str]) -> argparse.Namespace:
    """The arguments, with models by their names in transformers; otherwise says what is wrong and raises SystemExit."""
    parser = argparse.ArgumentParser(
        prog="architecture_matrix.py",
        description="Gate every architecture of the installed transformers, and test each.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help='an architecture, "llama"; repeatable; all where none is given',
    )
    parser.add_argument(
        "--gate",
        default=MEANT.kind,
        metavar="KIND",
        help="another kind of gate: converted and proven, without tests; see docs/KIND_gate_bases.md",
    )
    parser.add_argument(
        "--fast",
        dest="subset",
        action="store_const",
        const=Subset.FAST,
        default=Subset.FULL,
        help="only the tests that are marked fast",
    )
    parser.add_argument(
        "--no-common",
        action="store_true",
        help="run none of transformers' tests for all of its models; what earlier runs found is still told",
    )
    parser.add_argument(
        "--sdists", type=Path, metavar="DIR", help="where transformers' source distribution, which has them, is kept"
    )
    parser.add_argument("--adopt", action="store_true", help="put what passes and is new into the project")
    parser.add_argument("--again", action="store_true", help="run tests also where nothing has changed")
    parser.add_argument(
        "--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N", help="how many processes run at a time"
    )
    parser.add_argument(
        "--limit", type=float, default=900, metavar="SECONDS", help="how long the tests of one architecture may take"
    )
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="where work and results are kept, instead of the cache"
    )
    args = parser.parse_args(argv)
    args.model = [name.removeprefix(FAMILY) for name in args.model]
    for name in args.model:
        if name not in known:
            close = nearest(name, known)
            fix = f"did you mean {close}?" if close else f"there are {', '.join(known)}"
            parser.error(f"{name!r} is no model of transformers with a causal language model: {fix}")
    if args.work is None and default_folder() is None:
        parser.error("there is no cache folder on this machine: name a folder with --work")
    args.sdists = args.sdists or (default_folder() or args.work) / "sdist"
    return args


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
