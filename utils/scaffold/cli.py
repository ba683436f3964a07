"""The command line: name bases, write their deltas, or say why not."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from building.workspace import GATE, find_transformers
from diagnostics.errors import ConversionError
from naming.kinds import GateNames
from places import PROJECT
from weave.stage import gates_of, kinds_in

from scaffold.delta_paths import delta_path


DONE, REFUSED = 0, 2
_EXAMPLES = """\
examples:
  %(prog)s --model mistral            writes modular/modular_quality_gate_mistral.py, if there is none
  %(prog)s --model mistral --stdout   prints what it would write
  %(prog)s --list                     every base with a causal language model, and whether it has a delta

exit status: 0 done, 2 a base was refused
"""


def main(argv: Sequence[str] | None = None, project: Path = PROJECT) -> int:
    """Run one command line; the exit status."""
    try:
        args = _parser(kinds_in(gates_of(project))).parse_args(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE
    from scaffold.find import base_names  # late, as below: the help does without libcst

    try:
        if args.list:
            print("\n".join(_listed(project, args.gate)))
            return DONE
        names = base_names(find_transformers()) if args.all else args.model
    except ConversionError as error:
        print(error, file=sys.stderr)
        return REFUSED
    one = _print if args.stdout else _write
    family = GateNames(args.gate).family
    return max((_attempt(one, name.removeprefix(family), project, args.gate) for name in names), default=DONE)


def _attempt(one: Callable[[str, Path, str], None], name: str, project: Path, gate: str) -> int:
    try:
        one(name, project, gate)
    except ConversionError as error:
        print(error, file=sys.stderr)
        return REFUSED
    return DONE


def _write(name: str, project: Path, gate: str) -> None:
    from scaffold.write import report_line, write_delta

    modular = project / "modular"
    found = write_delta(name, modular, gate)
    print(report_line(found, modular) if found else f"kept    {delta_path(name, modular, gate).relative_to(project)}")


def _print(name: str, project: Path, gate: str) -> None:
    from scaffold.short import short_delta

    print(short_delta(name, gate=gate, project=project).text, end="")


def _listed(project: Path, gate: str) -> list[str]:
    from scaffold.find import base_names

    names = base_names(find_transformers())
    width = max(map(len, names), default=0)
    there = {name for name in names if delta_path(name, project / "modular", gate).exists()}
    return [f"{name:<{width}}  {'delta' if name in there else '-'}" for name in names]


def _parser(kinds: tuple[str, ...]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
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
