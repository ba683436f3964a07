"""The command line: render test suites and write or compare them; take stock of what pytest finds in them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from building.jobs import Outcome
from building.library import shown
from building.outputs import write_all
from building.report import DIFFERENT, FRESH, Mode, Report, count_identical, texts, unified_diff
from building.tools import check_ruff
from diagnostics.errors import ConversionError
from facts.project import package_of
from facts.read import PREFIX
from places import PROJECT
from telling.answers import Answer, answer

from testgen.arguments import ALL, parse
from testgen.collection import collect, run
from testgen.manifest import NAME, manifests, stale, write
from testgen.matrix import matrix
from testgen.suites import suites, wanted_models


PAGE = PROJECT / "docs" / "test_matrix.md"


def main(argv: Sequence[str] | None = None, page: Path = PAGE) -> int:
    """Run one command line; the exit status. `page` is where the matrix goes."""
    try:
        args = parse(argv)
    except SystemExit as end:  # argparse has said what is wrong, or printed the help that was asked for
        return end.code if isinstance(end.code, int) else 0
    report = Report(_mode(args), args.quiet, args.verbose, args.json)
    return answer(args, lambda args: _answered(args, report, page))


def _answered(args: argparse.Namespace, report: Report, page: Path) -> Answer:
    try:
        models = wanted_models(args.model, args.generated)
        folders = [args.output / package_of(name) for name in models]
        if args.matrix:
            return _run(folders, args.jobs, page)
        check_ruff()
        allowed = None if report.mode is Mode.PRINT else _allowed(args, models)
        outcomes = suites(models, args.generated, args.output, args.flavour, allowed)
        if report.mode is Mode.WRITE:
            outcomes = write_all(outcomes, {}, args.force)
        _tell(report, outcomes)
        if args.manifest and report.status == FRESH:
            _list(folders, args.output, report)
    except ConversionError as error:
        report.refuse(error.diagnostics)
    return report.answer()


def _allowed(args: argparse.Namespace, models: Sequence[str]) -> dict[str, str]:
    """Model -> why its suite may run fewer tests. Raises ConversionError (`unknown-model`) for a name that means none."""
    reasons = {name: reason for name, reason in args.allow_fewer if name != ALL}
    wanted_models(reasons, args.generated)
    everywhere = dict.fromkeys(models, next((reason for name, reason in args.allow_fewer if name == ALL), ""))
    return everywhere | {name.removeprefix(PREFIX): reason for name, reason in reasons.items()}


def _mode(args: argparse.Namespace) -> Mode:
    return Mode.CHECK if args.check else Mode.PRINT if args.stdout else Mode.WRITE


def _tell(report: Report, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if report.mode is Mode.PRINT:
            report.result("\n".join(texts(outcome, len(outcomes) == 1)))
        if report.mode is Mode.CHECK:
            report.result(unified_diff(outcome))
        report.add(outcome)
    if report.mode is Mode.CHECK:
        report.result("{} of {} files identical".format(*count_identical(outcomes)))


def _list(folders: Sequence[Path], output: Path, report: Report) -> None:
    """Write the manifests, or compare them."""
    listed = manifests(collect(folders))
    if report.mode is Mode.WRITE:
        for name in write(listed, output):
            report.result(f"wrote   {shown(output / name)}: {NAME}")
        return
    for name in stale(listed, output):
        report.result(f"stale   {shown(output / name)}: {NAME} is not what pytest collects")
        report.status = max(report.status, DIFFERENT)


def _run(folders: Sequence[Path], jobs: int, page: Path) -> Answer:
    """Run suites and write the matrix; status 1 where a test failed or was skipped without a reason."""
    start = time.monotonic()
    rows = run(folders, jobs)
    text = matrix(rows)
    page.write_text(text, encoding="utf-8")
    lines = [text]
    for folder in folders:
        some = [row for row in rows if row.suite == folder.name]
        lines.append(f"{folder.name}: {len(some)} tests in {sum(row.seconds for row in some):.1f} s of one process")
    lines.append(f"all in {time.monotonic() - start:.1f} s; wrote {shown(page)}")
    failed = any(row.outcome == "failed" or (row.outcome == "skipped" and not row.reason) for row in rows)
    return Answer(DIFFERENT if failed else FRESH, result="\n".join(lines), document={"tests": rows})
