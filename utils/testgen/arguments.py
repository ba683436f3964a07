"""The command line's grammar, and the combinations that make no sense."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from places import PROJECT
from telling.grammar import Parser, add_generated, add_jobs, add_models
from telling.tools import named

from testgen.render import Flavour


ALL = "all"  # instead of a model's name
_SHORTEST_REASON = 10  # letters
_EXAMPLES = """\
examples:
  %(prog)s --model llama                                generated/quality_gate_llama/ -> tests/models/
  %(prog)s --all --check                                are the suites what the templates say?
  %(prog)s --all --manifest                             also list, beside each suite, what pytest collects in it
  %(prog)s --model llama --manifest --allow-fewer llama="no cache since 6.0"    where tests have to go
  %(prog)s --model llama --matrix                       run suites, and write docs/test_matrix.md
  %(prog)s --model llama --flavour upstream --stdout    the test file of a pull request to transformers

exit status: 0 done or fresh, 1 --check found a difference or --matrix a failing test, 2 refused
"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments without contradictions; otherwise says what is wrong and raises SystemExit(2)."""
    parser = _parser()
    args = parser.parse_args(argv)
    if wrong := next((message for broken, message in _rules(args) if broken), None):
        parser.error(wrong)
    return args


def _rules(args: argparse.Namespace) -> tuple[tuple[bool, str], ...]:
    """What means nothing, with what to write instead."""
    return (
        (not (args.model or args.all), "say for which models: --model or --all"),
        (bool(args.model) and args.all, "--all renders every model already: leave out --model"),
        (
            args.check and (args.stdout or args.force),
            "--check writes and prints no files: leave out --stdout, --force",
        ),
        (args.stdout and args.force, "--force is for writing, and nothing is written"),
        (
            bool(args.allow_fewer) and args.stdout,
            "--allow-fewer is for writing and comparing suites: leave out --stdout",
        ),
        (args.manifest and args.stdout, "--manifest lists what lies on disk: leave out --stdout"),
        (
            args.matrix and (args.check or args.stdout or args.force or args.manifest or bool(args.allow_fewer)),
            "--matrix runs the suites that are there: leave out what is about writing them",
        ),
        (
            args.flavour is Flavour.UPSTREAM and not args.stdout,
            "the upstream flavour runs in a checkout of transformers, not here: add --stdout",
        ),
    )


def _permission(text: str) -> tuple[str, str]:
    """ "llama=it has no cache any more" -> ("llama", "it has no cache any more")."""
    name, _, reason = text.partition("=")
    if not name or len(reason.strip()) < _SHORTEST_REASON:
        raise argparse.ArgumentTypeError(f'{text!r} gives no model and reason: write NAME="it has no cache any more"')
    return name, reason.strip()


def _parser() -> Parser:
    parser = Parser(
        prog=named("test"),
        description="Render the test suites of generated models, and take stock of them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_models(parser)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; show what differs; exit 1 if anything does"
    )
    parser.add_argument("--stdout", action="store_true", help="write nothing; print the suites")
    parser.add_argument("--force", action="store_true", help="also replace suites that were edited, or are not ours")
    parser.add_argument("--manifest", action="store_true", help="list the tests of each suite in expected_tests.txt")
    parser.add_argument(
        "--allow-fewer",
        action="append",
        default=[],
        type=_permission,
        metavar="NAME=REASON",
        help="let the suite of a model (or of all) leave out tests that the committed one runs; repeatable",
    )
    parser.add_argument("--matrix", action="store_true", help="run the suites instead; write docs/test_matrix.md")
    parser.add_argument(
        "--flavour",
        type=Flavour,
        choices=list(Flavour),
        default=Flavour.LOCAL,
        metavar="FLAVOUR",
        help="local (the default), or upstream: as transformers has them",
    )
    add_generated(parser, PROJECT / "generated")
    parser.add_argument(
        "--output", type=Path, default=PROJECT / "tests" / "models", metavar="DIR", help="the folder of the suites"
    )
    add_jobs(parser, os.cpu_count() or 1, "how many processes --matrix runs at a time")
    return parser
