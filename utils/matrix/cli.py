"""The command line. What it orders is imported when it is known to make sense: the help does without."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from building.cache import default_folder
from building.workspace import FAMILY
from diagnostics.names import nearest
from naming.kinds import MEANT
from places import PROJECT
from processes.cores import cores
from telling.grammar import Parser, add_jobs

from matrix.values import Subset


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
    known = cache(_known)  # every modeling file is read for it
    try:
        args = parse(argv, known)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    from matrix.runs import carry_out

    return carry_out(args, known(), project)


def _known() -> list[str]:
    from matrix.workspace import architectures

    return architectures()


def parse(argv: Sequence[str] | None, known: Callable[[], Sequence[str]]) -> argparse.Namespace:
    """The arguments, with models by their names in transformers; otherwise says what is wrong and raises SystemExit.

    `known` finds all of them, where one is named.
    """
    parser = Parser(
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
    add_jobs(parser, cores())
    parser.add_argument(
        "--limit", type=float, default=900, metavar="SECONDS", help="how long the tests of one architecture may take"
    )
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="where work and results are kept, instead of the cache"
    )
    return _sound(parser, parser.parse_args(argv), known)


def _sound(
    parser: argparse.ArgumentParser, args: argparse.Namespace, known: Callable[[], Sequence[str]]
) -> argparse.Namespace:
    """The arguments, with what they leave out; says what makes no sense and raises SystemExit."""
    args.model = [name.removeprefix(FAMILY) for name in args.model]
    names = known() if args.model else ()
    for name in args.model:
        if name not in names:
            close = nearest(name, names)
            fix = f"did you mean {close}?" if close else f"there are {', '.join(names)}"
            parser.error(f"{name!r} is not a model of transformers with a causal language model: {fix}")
    if args.work is None and default_folder() is None:
        parser.error("there is no cache folder on this machine: name a folder with --work")
    args.sdists = args.sdists or (default_folder() or args.work) / "sdist"
    return args
