"""The command line's grammar, and the combinations that make no sense."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from naming.kinds import MEANT
from processes.cores import cores
from telling.grammar import Parser
from telling.tools import named, started_as

from building.library import is_release


_DESCRIPTION = "Expand modular files, small deltas on existing models, into standalone model files."
_WHAT_DRIFTS = "Tell what another release of transformers changes under the models of this project."
_EXAMPLES = """\
examples:
  %(prog)s --model llama                     modular/ -> generated/quality_gate_llama/
  %(prog)s --gate attention --model llama    modular/ -> generated/attention_gate_llama/
  %(prog)s --all --check                     is generated/ what modular/ says?
  %(prog)s x/modular_mine.py --output out    any modular file, against the installed transformers
  %(prog)s --tree src/transformers --check   every modular file of a transformers tree
  %(prog)s --drift --against 5.17.0          which bases differ there, and does each delta still apply?
  %(prog)s --drift --prove --against 5.24.0  and does each converted model do what its base does there?

exit status: 0 done or fresh, 1 --check or --drift found a difference, 2 refused or not right
"""
_DRIFT_EXAMPLES = """\
examples:
  %(prog)s --against 5.17.0                  which bases differ there, and does each delta still apply?
  %(prog)s --prove --against 5.24.0          and does each converted model do what its base does there?

exit status: 0 nothing changed, 1 something did, 2 refused, or a delta no longer applies
"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments, complete and without contradictions; otherwise says what is wrong and raises SystemExit(2)."""
    parser = _parser()
    args = parser.parse_args(argv)
    if wrong := _contradiction(args):
        parser.error(wrong)
    args.strict = args.tree is None if args.strict is None else args.strict
    return args


def _contradiction(args: argparse.Namespace) -> str | None:
    """The first combination that means nothing, with what to write instead."""
    rules = (
        (
            not (args.paths or args.model or args.all or args.tree or args.drift),
            "say what to convert: --model, --all, --tree or a file",
        ),
        (args.paths and (args.model or args.all or args.tree), "give files or --model/--all/--tree, not both"),
        (args.model and args.all, "--all converts every model already: leave out --model"),
        (args.gate and not (args.model or args.all or args.drift), "--gate says what --model means: add --model"),
        (args.gate and args.tree, "--gate is of this project's models: leave out --tree"),
        (args.output and not args.paths, "--output goes with files: give the path of a modular file"),
        (
            args.paths and not (args.output or args.stdout or args.expand),
            "say where the files go: --output DIR, or --stdout",
        ),
        (args.stdout and (args.check or args.diff), "--stdout prints whole files: leave out --check and --diff"),
        (
            args.expand and (args.check or args.diff or args.stdout or args.drift or args.tree),
            "--expand prints modular files: leave out --check, --diff, --stdout, --drift and --tree",
        ),
        (args.force and (args.check or args.diff or args.stdout), "--force is for writing, and nothing is written"),
        (args.table and not args.check, "--table sums up a comparison: it goes with --check"),
        (
            args.drift and (args.paths or args.tree or args.check or args.diff or args.stdout or args.force),
            "--drift compares this project's models: only --model, --against and the options under `how` go with it",
        ),
        (
            args.tree and is_release(str(args.tree)) and not (args.check or args.diff or args.stdout),
            "a release is compared, never changed: add --check, --diff or --stdout",
        ),
        (args.prove and not args.drift, "--prove runs what --drift converts: add --drift"),
        (args.against and args.tree, "--tree converts a tree against itself: leave out --against"),
        (
            args.against and not (args.drift or args.expand or args.check or args.diff or args.stdout or args.paths),
            "generated/ is made from the installed transformers: install the other one, or add --diff or --drift",
        ),
        (
            (args.modular or args.generated) and (args.paths or args.tree),
            "--modular and --generated are where --model and --all read and write: leave them out",
        ),
    )
    return next((message for broken, message in rules if broken), None)


def _parser() -> Parser:
    drifts = started_as() == "drift"
    parser = Parser(
        prog=named("drift" if drifts else "convert"),
        description=_WHAT_DRIFTS if drifts else _DESCRIPTION,
        epilog=_DRIFT_EXAMPLES if drifts else _EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what to convert")
    what.add_argument(
        "paths", nargs="*", type=Path, metavar="FILE", help="modular_<model>.py, anywhere; needs --output"
    )
    what.add_argument("--output", type=Path, metavar="DIR", help="where the files go; several FILEs get a folder each")
    what.add_argument(
        "--model", action="append", default=[], metavar="NAME", help="a model of modular/, or of the tree"
    )
    what.add_argument(
        "--gate",
        metavar="KIND",
        help=f"the kind of gate that --model and --all mean (--model: {MEANT.kind} without one)",
    )
    what.add_argument("--all", action="store_true", help="every modular file of modular/, or of the tree")
    what.add_argument(
        "--tree",
        type=Path,
        metavar="DIR",
        help="a transformers package: convert its models in place; a version (5.24.0) is fetched, for --check",
    )
    mode = parser.add_argument_group("what to do")
    mode.add_argument("--check", action="store_true", help="write nothing; show what differs; exit 1 if anything does")
    mode.add_argument("--table", action="store_true", help="with --check: counts per kind of file instead of diffs")
    mode.add_argument("--diff", action="store_true", help="write nothing; print what would change")
    mode.add_argument("--stdout", action="store_true", help="write nothing; print the files")
    mode.add_argument("--drift", action="store_true", help="write nothing; tell what changed under the deltas")
    mode.add_argument("--expand", action="store_true", help="write nothing; print short modular files written out")
    mode.add_argument("--prove", action="store_true", help="with --drift: also run every model against its base")
    mode.add_argument("--force", action="store_true", help="also replace files that were edited, or are not ours")
    how = parser.add_argument_group("how")
    how.add_argument(
        "--against",
        metavar="RELEASE",
        help="parents come from this transformers instead of the installed one: a version, fetched by pip, or a folder",
    )
    how.add_argument("--modular", type=Path, metavar="DIR", help="where modular files are (default: modular/)")
    how.add_argument("--generated", type=Path, metavar="DIR", help="where the models go (default: generated/)")
    how.add_argument(
        "--strict",
        action=argparse.BooleanOptionalAction,
        help="refuse what has no clear meaning instead of warning; the default except with --tree",
    )
    how.add_argument("--jobs", type=_positive, default=cores(), metavar="N", help="processes (default: cores)")
    how.add_argument("--ruff-config", type=Path, metavar="FILE", help="lint and format under this configuration")
    how.add_argument(
        "--no-cache", action="store_true", help="convert everything anew, and keep nothing for later runs"
    )
    return parser


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes: write 1 or more")
    return number
