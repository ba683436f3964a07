"""Break the generated Llama in every way that the table knows, and let its test suite say so."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from facts.read import package_files
from naming.kinds import MEANT, GateNames
from places import PROJECT
from telling.grammar import add_jobs

from testgen.mutants.apply import mutated
from testgen.mutants.run import preload, run_all
from testgen.mutants.table import TABLE, model_of, mutants, table_of
from testgen.mutants.values import Mutant, SuiteResult


INTACT = "(nothing broken)"  # the control: the same tests against the model as it is


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 the suite fails for every mutant, 1 one survives, 2 a mutant could not be made or run."""
    try:
        args = parse(argv)
    except SystemExit as end:  # argparse has said what is wrong, or printed the help that was asked for
        return end.code if isinstance(end.code, int) else 0
    try:
        names = GateNames(args.gate)
        return judge(chosen_mutants(args.names, names), args.jobs, names)
    except ConversionError as error:
        print(error)
        return 2


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutants.py", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="MUTANT", help=f"of {TABLE.name}; all without")
    add_jobs(parser, os.cpu_count() or 1, "processes (default: cores)")
    parser.add_argument("--gate", default=MEANT.kind, metavar="KIND", help=f"the kind of gate ({MEANT.kind})")
    return parser.parse_args(argv)


def chosen_mutants(names: Sequence[str], kind: GateNames = MEANT) -> list[Mutant]:
    """The mutants of these names, all where there are none. Raises ConversionError (`unknown-mutant`, `unknown-gate`)."""
    known = {each.name: each for each in mutants(kind)}
    table = table_of(kind).name
    if not known:
        message, fix = f"there is no table of mutants for gates of the kind {kind.kind!r}", f"write {table} beside it"
        raise ConversionError(Diagnostic("unknown-gate", TABLE.name, 1, 1, message, fix))
    for name in names:
        if name not in known:
            fix = f"there are {', '.join(known)}"
            raise ConversionError(Diagnostic("unknown-mutant", table, 1, 1, f"there is no mutant `{name}`", fix))
    return [known[name] for name in names or known]


def judge(chosen: Sequence[Mutant], jobs: int, names: GateNames = MEANT) -> int:
    """Run the suite against each mutant, and against the model as it is; tell, and return the exit status."""
    package = names.family + model_of(names)
    files = package_files(PROJECT / "generated" / package)
    runs = [(each.name, each.noticed_by, mutated(each, package, files)) for each in chosen]
    everything = " or ".join(sorted({name for each in chosen for name in each.noticed_by.split(" or ")}))
    preload(f"transformers.models.{model_of(names)}.modeling_{model_of(names)}")
    suite = PROJECT / "tests" / "models" / package / f"test_modeling_{package}.py"
    verdicts = []
    for verdict in run_all([(INTACT, everything, files), *runs], package, suite, jobs):
        print(line(verdict), flush=True)
        verdicts.append(verdict)
    control = [each for each in verdicts if each.mutant == INTACT and each.status != 0]
    survivors = [each for each in verdicts if each.status == 0 and each.mutant != INTACT]
    broken = [each for each in verdicts if each.status != 0 and not each.noticed]
    print(f"{len(chosen) - len(survivors) - len(broken)} of {len(chosen)} mutants noticed")
    what = {each.name: each.what for each in chosen}
    for each in survivors:
        print(
            f"the suite has a hole: {each.mutant} passes ({what[each.mutant]}); add a test to templates/tests/quality/groups/"
        )
    for each in broken:
        print(f"{each.mutant}: pytest ended with {each.status} before a test failed")
    for each in control:
        print(f"{each.test} fails for the model as it is: nothing can be said about mutants")
    return 2 if broken or control else 1 if survivors else 0


def line(verdict: SuiteResult) -> str:
    """What became of one mutant."""
    words = "noticed" if verdict.noticed else "passed" if verdict.status == 0 else "ended"
    return f"{words:8} {verdict.mutant:36} {verdict.seconds:5.1f} s  {verdict.test}"
