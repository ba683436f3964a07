"""The command line: name bases, write their deltas, or say why not."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from building.workspace import GATE, find_transformers
from diagnostics.errors import ConversionError
from naming.kinds import GateNames
from places import PROJECT
from telling.answers import DONE, REFUSED, Answer, answer
from telling.grammar import Parser
from telling.refusals import refused
from weave.stage import kinds_of, roots_of

from scaffold.delta_paths import delta_path


_EXAMPLES = """\
examples:
  %(prog)s --model mistral            writes modular/modular_quality_gate_mistral.py, if there is none
  %(prog)s --model mistral --stdout   prints what it would write
  %(prog)s --list                     every base with a causal language model, and whether it has a delta

exit status: 0 done, 2 a base was refused
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one base: for programs, for people, and why it was refused."""

    document: Mapping[str, Any]
    line: str = ""
    problems: tuple[Mapping[str, Any], ...] = ()


def main(argv: Sequence[str] | None = None, project: Path = PROJECT) -> int:
    """Run one command line; the exit status."""
    try:
        args = _parser(kinds_of(roots_of(project))).parse_args(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE
    return answer(args, lambda args: _answered(args, project))


def _answered(args: argparse.Namespace, project: Path) -> Answer:
    from scaffold.find import base_names  # late, as below: the help does without libcst

    try:
        names = args.model or base_names(find_transformers())
    except ConversionError as error:
        return refused(error)
    if args.list:
        return _listed(names, project / "modular", args.gate)
    family = GateNames(args.gate).family
    made = [_attempt(name.removeprefix(family), project, args.gate, args.stdout) for name in names]
    problems = tuple(chain.from_iterable(each.problems for each in made))
    said = "\n".join(each.line for each in made if each.line)
    return Answer(
        REFUSED if problems else DONE,
        result=said if args.stdout else "",
        words="" if args.stdout else said,
        document={"models": [each.document for each in made]},
        problems=problems,
    )


def _attempt(name: str, project: Path, gate: str, prints: bool) -> Attempt:
    """Print or write the delta of one base. What is refused is told at once."""
    from scaffold.short import short_delta
    from scaffold.write import places_of, report_line, write_delta

    modular = project / "modular"
    path = delta_path(name, modular, gate)
    told = {"base": name, "path": os.path.relpath(path)}
    try:
        found = short_delta(name, gate=gate, project=project) if prints else write_delta(name, modular, gate)
    except ConversionError as error:
        return Attempt({"base": name, "state": "refused"}, problems=refused(error).problems)
    if found is None:
        return Attempt(told | {"state": "kept"}, f"kept    {path.relative_to(project)}")
    told |= {"state": "printed" if prints else "wrote"}
    document = told | {"places": places_of(found), "ungated": found.ungated}
    if prints:
        return Attempt(document | {"text": found.text}, found.text.removesuffix("\n"))
    return Attempt(document, report_line(found, modular))


def _listed(names: Sequence[str], modular: Path, gate: str) -> Answer:
    width = max(map(len, names), default=0)
    there = {name: delta_path(name, modular, gate).exists() for name in names}
    lines = (f"{name:<{width}}  {'delta' if found else '-'}" for name, found in there.items())
    return Answer(result="\n".join(lines), document=[{"base": name, "delta": there[name]} for name in names])


def _parser(kinds: tuple[str, ...]) -> Parser:
    parser = Parser(
        prog="scaffold_gate.py",
        description="Write the delta that gates a language model of transformers, from the base's text alone.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", action="append", default=[], metavar="NAME", help="a model folder of transformers")
    what.add_argument("--all", action="store_true", help="every base that has a causal language model and no delta")
    what.add_argument("--list", action="store_true", help="print the bases; write nothing")
    parser.add_argument("--gate", default=GATE, choices=kinds, metavar="KIND", help=f"the kind of gate ({GATE})")
    parser.add_argument("--stdout", action="store_true", help="print the delta; write nothing")
    return parser
