"""Break the tools of utils/ in small ways, one at a time, and let their tests notice."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from places import HOME

from mutation.candidates import candidates, is_python
from mutation.explained import Explained, read_table, stale, why
from mutation.pytest_runs import Limits, preload
from mutation.sampling import quotas, sample
from mutation.trial import Trial, judged
from mutation.values import Mutant, MutantResult, Outcome
from mutation.workspace import utils_of


SIZE, SEED = 80, 25
FILES, SECONDS = 5, 15.0


def main(argv: Sequence[str] | None = None, project: Path = HOME, table: Path | None = None) -> int:
    """Exit status: 0 each mutant is noticed or explained, 1 one is not, 2 something could not be made or run."""
    try:
        args = parse(argv)
    except SystemExit as end:  # argparse has said what is wrong, or printed the help that was asked for
        return end.code if isinstance(end.code, int) else 0
    modules = utils_of(project)
    try:
        rows = read_table(table) if table else read_table()
        chosen = chosen_mutants(args, modules)
        if problems := stale(rows, modules):
            raise ConversionError(*problems)
    except ConversionError as error:
        print(error)
        return 2
    if args.list:
        print(*chosen, sep="\n")
        return 0
    return trial(args, project, chosen, rows)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tool_mutants.py", description=__doc__)
    parser.add_argument(
        "--package",
        action="append",
        default=[],
        metavar="NAME",
        help="a package of utils/; repeatable; all where none is given",
    )
    parser.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="PATH",
        help="a file below utils/; repeatable; all where none is given",
    )
    parser.add_argument(
        "--at", action="append", default=[], metavar="FILE:LINE", help="try every mutant of this line, and no sample"
    )
    parser.add_argument("--size", type=int, default=SIZE, metavar="N", help=f"mutants in the sample ({SIZE})")
    parser.add_argument(
        "--seed", type=int, default=SEED, metavar="N", help=f"another number is another sample ({SEED})"
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many processes run at a time (2)")
    parser.add_argument(
        "--files", type=int, default=FILES, metavar="N", help=f"of tests for each mutant, nearest first ({FILES})"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=SECONDS,
        metavar="S",
        help=f"of a processor for each file of tests ({SECONDS:.0f})",
    )
    parser.add_argument("--list", action="store_true", help="print the sample and run nothing")
    return parser.parse_args(argv)


def chosen_mutants(args: argparse.Namespace, modules: dict[str, str]) -> list[Mutant]:
    """The sample, or all mutants of the lines that are asked for.

    Raises:
        ConversionError (`unknown-mutant`): there is no such package, file or line, or it has no mutant.
    """
    packages = sorted({file.partition("/")[0] for file in modules})
    for given, known in ((args.package, packages), (args.file, modules)):
        for name in given:
            if name not in known:
                raise ConversionError(_unknown(name))
    if args.at:
        return [mutant for place in args.at for mutant in _at(place, modules)]
    files = {
        file: source
        for file, source in modules.items()
        if (not args.package or file.partition("/")[0] in args.package) and (not args.file or file in args.file)
    }
    lines: Counter[str] = Counter()
    for file, source in files.items():
        lines[file.partition("/")[0]] += len(source.splitlines())
    found = (mutant for file, source in files.items() for mutant in candidates(file, source))
    wanted = quotas(lines, args.size)
    return sample(found, wanted, args.seed, lambda mutant: is_python(modules[mutant.file], mutant))


def trial(args: argparse.Namespace, project: Path, chosen: Sequence[Mutant], rows: Sequence[Explained]) -> int:
    """Run the tests against each mutant; tell, and return the exit status.

    Args:
        args: of the command line: `jobs`, `files` of tests for each mutant, `seconds` that its run may take.
        project: the root of this repository.
        chosen: the mutants.
        rows: the mutants that no test can notice, with the reasons.
    """
    began, verdicts = time.monotonic(), []
    limits = Limits(test=args.seconds / 3, run=args.seconds)
    with tempfile.TemporaryDirectory(prefix="tool-mutants-") as scratch:
        preload()
        with closing(judged(Trial(project, Path(scratch), args.jobs, args.files, limits), chosen)) as found:
            for verdict in found:
                verdict = replace(verdict, why=why(rows, verdict.mutant))
                verdicts.append(verdict)
                print(line(verdict), flush=True)
    return report(verdicts, time.monotonic() - began)


def report(verdicts: Sequence[MutantResult], seconds: float) -> int:
    """Sum up, and return the exit status."""
    count = Counter(each.outcome for each in verdicts)
    explained = [each for each in verdicts if each.why and each.outcome in (Outcome.SURVIVED, Outcome.UNREACHED)]
    holes = [each for each in verdicts if each.is_hole]
    said = ", ".join(f"{count[outcome]} {outcome.value}" for outcome in Outcome if count[outcome])
    print(
        f"{len(verdicts)} mutants in {seconds:.0f} s: {said or 'none'}; {len(explained)} of them explained, {len(holes)} holes"
    )
    for each in holes:
        print(
            f"the tests of {each.mutant.package} have a hole: {each.mutant} in {each.mutant.scope or 'the module'}: {each.mutant.text}"
        )
    return 2 if count[Outcome.BROKEN] or not verdicts else 1 if holes else 0


def line(verdict: MutantResult) -> str:
    """What became of one mutant."""
    after = verdict.test or (f"explained: {verdict.why}" if verdict.why else f"{verdict.tests} tests pass")
    return f"{verdict.outcome.value:9} {verdict.seconds:5.0f} s  {verdict.mutant}  {after}"


def _at(place: str, modules: dict[str, str]) -> list[Mutant]:
    file, _, number = place.partition(":")
    found = [
        mutant
        for mutant in (candidates(file, modules[file]) if file in modules else ())
        if str(mutant.line) == number and is_python(modules[file], mutant)
    ]
    if not found:
        raise ConversionError(_unknown(place))
    return found


def _unknown(name: str) -> Diagnostic:
    fix = "name a package of utils/, a file below it, or a line of one with something to change"
    return Diagnostic("unknown-mutant", name, 1, 1, f"there is nothing to break in `{name}`", fix)
