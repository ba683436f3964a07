"""Run the suites of the card families as if on other machines: none of their tests may depend on the one they run on."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from facts.project import package_of
from naming.kinds import MEANT, kind_of
from places import PROJECT
from processes.cores import cores

from portability.plan import kernels, machines
from portability.processor import described, this_processor
from portability.run import run
from portability.values import Machine, MachineResult


FAMILIES = ("llama", "qwen3", "gemma3", "gpt_oss")
TOLD = 12  # failing tests that are named


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 all tests pass on every machine, 1 one fails on one, 2 a machine ran no test."""
    try:
        args = parse(argv)
    except SystemExit as end:  # argparse has said what is wrong, or printed the help that was asked for
        return end.code if isinstance(end.code, int) else 0
    folder = args.project / "tests" / "models"
    suites = [folder / package_of(name) for name in args.model] or card_suites(folder, args.sample)
    if missing := [suite.name for suite in suites if not suite.is_dir()]:
        print(f"there is no {', '.join(missing)} in {folder}: render it with `python utils/test_generator.py`")
        return 2
    print(described(), flush=True)
    verdicts = []
    for machine in chosen(args.kernels, args.sample):
        verdicts.append(run(machine, suites, args.project, args.jobs, args.tests))
        print(told(verdicts[-1]), flush=True)
    return status(verdicts)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="portability_tests.py", description=__doc__)
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help=f"repeatable; {', '.join(FAMILIES)}, and all other kinds of gate, without",
    )
    parser.add_argument("--sample", action="store_true", help="a few layouts on a few kinds of kernels")
    known = [each.name for each in kernels(this_processor()[1])]
    parser.add_argument(
        "--kernels",
        action="append",
        default=[],
        choices=known,
        help="the kernels to run with; repeatable; all where none are given",
    )
    parser.add_argument(
        "--tests", default="", metavar="WORDS", help="which tests, by an expression as pytest's -k takes it"
    )
    parser.add_argument("--jobs", type=int, default=cores(), metavar="N", help="processes (default: cores)")
    parser.add_argument(
        "--project", type=Path, default=PROJECT, metavar="DIR", help="a checkout of another commit, with its suites"
    )
    return parser.parse_args(argv)


def card_suites(folder: Path, sample: bool) -> list[Path]:
    """Those of the card families, and of all other kinds of gate; of each of these, a sample has one."""
    found = [folder / package_of(name) for name in FAMILIES]
    kinds: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*_gate_*/test_*.py")):
        if kind_of(path.parent.name) != MEANT:
            kinds.setdefault(kind_of(path.parent.name).kind, []).append(path.parent)
    for suites in kinds.values():
        found += [next((each for each in suites if each.name.endswith(FAMILIES[0])), suites[0])] if sample else suites
    return found


def chosen(names: Sequence[str], sample: bool) -> list[Machine]:
    """The machines with kernels of these names, all where there are none."""
    every = machines(this_processor()[1], sample)
    return [each for each in every if not names or each.kernels.name in names]


def told(verdict: MachineResult) -> str:
    """What became of one machine, in a line, and which tests failed there."""
    layouts, offsets = verdict.machine.layouts, {each.offset for each in verdict.machine.layouts}
    threads = "/".join(str(each) for each in sorted({each.threads for each in layouts}))
    what = f"{len(layouts)} layouts ({len(offsets)} offsets, {threads} threads)"
    lines = [
        f"{verdict.machine.kernels.name:10} {what}: {verdict.passed} passed, {len(verdict.failed)} failed "
        f"in {verdict.seconds:.0f} s"
    ]
    if verdict.said:
        lines.append(f"  pytest ended with {verdict.status}: {verdict.said}")
    by_test = Counter(test.partition("[")[0] for test in verdict.failed)
    lines += [f"  {test}: in {count} cases" for test, count in by_test.most_common(TOLD)]
    return "\n".join(lines)


def status(verdicts: Sequence[MachineResult]) -> int:
    """The exit status of all."""
    if not verdicts or any(each.status not in (0, 1) or not each.passed + len(each.failed) for each in verdicts):
        return 2
    return 1 if any(each.status for each in verdicts) else 0
