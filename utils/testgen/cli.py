"""The command line: render test suites and write or compare them; take stock of what pytest finds in them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from converter.diagnostics import ConversionError
from converter.jobs import Outcome
from converter.outputs import write_all
from converter.report import Mode, Report, count_identical, texts, unified_diff
from converter.tools import check_ruff
from testgen.render import Flavour
from testgen.suites import suite, wanted_models


PROJECT = Path(__file__).resolve().parents[2]
_EXAMPLES = """\
examples:
  %(prog)s --model llama                                   generated/quality_gate_llama/ -> tests/models/
  %(prog)s --all --check                                   are the suites what the templates say?
  %(prog)s --model llama --flavour upstream --stdout       the test file of a pull request to transformers

exit status: 0 done or fresh, 1 --check found a difference, 2 refused
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status."""
    try:
        args = parse(argv)
    except SystemExit as end:  # argparse has said what is wrong, or printed the help that was asked for
        return end.code if isinstance(end.code, int) else 0
    report = Report(_mode(args))
    try:
        check_ruff()
        outcomes = [
            suite(name, args.generated, args.output, args.flavour)
            for name in wanted_models(args.model, args.generated)
        ]
    except ConversionError as error:
        return report.refuse(error.diagnostics)
    if report.mode is Mode.WRITE:
        outcomes = write_all(outcomes, {}, args.force)
    _tell(report, outcomes)
    return report.status


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments without contradictions; otherwise says what is wrong and raises SystemExit(2)."""
    parser = _parser()
    args = parser.parse_args(argv)
    rules = (
        (not (args.model or args.all), "say for which models: --model or --all"),
        (args.model and args.all, "--all renders every model already: leave out --model"),
        (
            args.check and (args.stdout or args.force),
            "--check writes and prints no files: leave out --stdout, --force",
        ),
        (args.stdout and args.force, "--force is for writing, and nothing is written"),
        (
            args.flavour is Flavour.UPSTREAM and not args.stdout,
            "the upstream flavour runs in a checkout of transformers, not here: add --stdout",
        ),
    )
    if wrong := next((message for broken, message in rules if broken), None):
        parser.error(wrong)
    return args


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="test_generator.py",
        description="Render the test suites of generated models.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", action="append", default=[], metavar="NAME", help="llama; repeatable")
    parser.add_argument("--all", action="store_true", help="every model of generated/")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; show what differs; exit 1 if anything does"
    )
    parser.add_argument("--stdout", action="store_true", help="write nothing; print the suites")
    parser.add_argument("--force", action="store_true", help="also replace suites that were edited, or are not ours")
    parser.add_argument(
        "--flavour",
        type=Flavour,
        choices=list(Flavour),
        default=Flavour.LOCAL,
        metavar="FLAVOUR",
        help="local (the default), or upstream: as transformers has them",
    )
    parser.add_argument("--generated", type=Path, default=PROJECT / "generated", metavar="DIR", help="the models")
    parser.add_argument("--output", type=Path, default=PROJECT / "tests" / "models", metavar="DIR", help="the suites")
    return parser


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
