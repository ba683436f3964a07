"""`select_data.py`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from checkpoints.commands import STATUS, guarded
from telling.answers import Answer
from telling.grammar import Parser
from telling.tools import named

from selection.values import EPSILON, LAYERS, METHODS, ROUTERS, TAU


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    args = _parser().parse_args(argv)
    return guarded(_select, args, args.output)


def _select(args: argparse.Namespace) -> Answer:
    from selection.selecting import select_data  # late: the help does without pyarrow, which may not be installed

    return select_data(args)


def _parser() -> Parser:
    words = f"Choose among all documents that {named('score')} has scored: kept and dropped, with scores and reasons."
    parser = Parser(prog=named("select"), description=words, epilog=STATUS)
    add = parser.add_argument
    add("--scores", required=True, type=Path, metavar="DIR", help="the folder of the scores")
    add("--output", required=True, type=Path, metavar="DIR", help="a new folder; written whole or not at all")
    keep = parser.add_mutually_exclusive_group(required=True)
    keep.add_argument("--keep", metavar="RATIO", help="keep this share of the documents, rounded up")
    keep.add_argument("--count", type=int, metavar="N", help="keep this many documents")
    keep.add_argument(
        "--threshold", type=float, metavar="X", help="keep all with this score or more (perplexity: or less)"
    )
    keep.add_argument("--token-budget", type=int, metavar="N", help="keep the best, up to this many tokens in all")
    add("--method", default=METHODS[0], choices=METHODS, help="how documents are ordered (%(default)s)")
    add(
        "--quota", action="append", default=[], metavar="SOURCE=MOST", help="documents of a source at most, or a share"
    )
    add("--alpha", type=float, metavar="X", help="power of the perplexity as a token's weight (default: as scored)")
    add(
        "--eps",
        type=float,
        default=EPSILON,
        metavar="X",
        help="the least that ranges and means count as (%(default)s)",
    )
    add("--tau", type=float, default=TAU, metavar="X", help="where above 0, it is added to means (%(default)s)")
    add("--seed", type=int, default=42, help='seed of the methods "random" and "clusters" (%(default)s)')
    add("--clusters", type=int, default=26, metavar="N", help="how many clusters at most (%(default)s)")
    add(
        "--features",
        default=LAYERS,
        choices=(LAYERS, ROUTERS),
        help='what "clusters" and "farthest" go by (%(default)s)',
    )
    add("--data", nargs="+", metavar="DATA", help="where the corpus is now (default: where it was scored)")
    add("--no-texts", action="store_true", help="write scores and reasons alone, not the documents")
    return parser
