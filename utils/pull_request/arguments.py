"""The command line's grammar."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from telling.grammar import Parser
from telling.tools import named


EPILOG = """\
examples:
  %(prog)s --model llama --repo ../transformers    a branch with everything, committed, checked, and the body of a pull request
  %(prog)s --model qwen3 --repo ../transformers --stack    one branch for each model that it needs, on top of each other
  %(prog)s --model llama --output pr               the same files in a folder
  %(prog)s --model llama --patch llama.patch       the same as a patch for `git am`
  %(prog)s --model llama --verify --repo ../transformers    check what is there, changing nothing

Nothing is ever pushed or opened. Exit status: 0 done, 1 --verify or a check found something, 2 refused.
"""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments. Raises SystemExit as argparse does, with a message, where they make no sense together."""
    parser = Parser(
        prog=named("pr"),
        description="Write everything a pull request to transformers consists of, for a gated model of this project.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", action="append", required=True, help='a model, "llama" for the gated Llama; repeatable'
    )
    places = parser.add_argument_group("where to")
    places.add_argument(
        "--repo", type=Path, metavar="PATH", help="a git checkout of transformers: make a branch there"
    )
    places.add_argument("--output", type=Path, metavar="DIR", help="a folder, laid out as the repository is")
    places.add_argument("--patch", type=Path, metavar="FILE", help="one patch that `git am` takes")
    how = parser.add_argument_group("how")
    how.add_argument("--base-tree", type=Path, metavar="PATH", help="the repository that --output and --patch are for")
    how.add_argument("--branch", help="the name of the branch instead of add-quality-gate-<model>")
    how.add_argument(
        "--stack", action="store_true", help="with --repo: a branch for each model, one on top of another"
    )
    how.add_argument("--date", type=date.fromisoformat, default=date.today(), help="YYYY-MM-DD; today if not given")
    how.add_argument("--body", type=Path, metavar="FILE", help="where to leave the body of the pull request")
    how.add_argument("--no-checks", action="store_true", help="run nothing on what was made")
    how.add_argument(
        "--draft-command", action="store_true", help="with --repo: print what a person would run to open it"
    )
    how.add_argument("--verify", action="store_true", help="check an exported branch or folder instead of writing one")
    args = parser.parse_args(argv)
    _check(parser, args)
    return args


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    places = [name for name in ("repo", "output", "patch") if getattr(args, name)]
    if len(places) > 1:
        parser.error(f"--{places[0]} and --{places[1]} do not go together")
    if not places and not args.verify:
        parser.error("say where to: --repo, --output or --patch")
    if args.verify and args.patch:
        parser.error("--verify checks a branch (--repo) or a folder (--output); apply the patch first")
    for name in ("stack", "draft_command", "branch"):
        if getattr(args, name) and not args.repo:
            parser.error(f"--{name.replace('_', '-')} needs --repo")
    if args.base_tree and args.repo:
        parser.error("--base-tree goes with --output and --patch; with --repo the tree is the base")
    if args.stack and args.branch:
        parser.error("--stack names its branches itself")
