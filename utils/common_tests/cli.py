"""The command line: build the workspace, run the tests, compare with what is expected, tell."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from building.cache import default_folder
from building.library import installed
from building.tools import version
from diagnostics.errors import ConversionError
from diagnostics.names import nearest
from facts.project import facts_of, generated_models, packages_of_others
from facts.values import ModelFacts
from naming.kinds import MEANT
from places import PROJECT
from telling.grammar import add_generated, add_jobs, add_models
from telling.tools import typed

from common_tests.expected import differences, read_expected, write_expected, written_outcomes
from common_tests.outcomes import Outcome
from common_tests.problems import SuiteError
from common_tests.report import by_package, markdown, succeeded, summary, write_table
from common_tests.runner import mark_inherited, run_tests, test_files
from common_tests.sdist import find_sdist
from common_tests.workspace import Workspace, build, build_of_tree


EXPECTED = PROJECT / "tests" / "common_tests" / "expected"
TESTERS = "UPSTREAM_TESTERS"  # names a folder with transformers' real testers
DOCUMENT = PROJECT / "docs" / "upstream_tests.md"
_EXAMPLES = """\
examples:
  %(prog)s                                    the models of which it is written down what to expect
  %(prog)s --all                              every model of generated/
  %(prog)s --model llama -- -k save_load      some tests of one; what follows -- goes to pytest
  %(prog)s --distributed --model qwen3        also those that start several processes
  %(prog)s --tree DIR --testers DIR           models exported into a tree, under transformers' real testers
  %(prog)s --update                           write down what has to be expected from now on

exit status: 0 all as expected, 1 a test failed or is not as expected, 2 refused
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status."""
    args = parse(argv)
    try:
        return run(args)
    except (SuiteError, ConversionError, LookupError) as error:
        print(error, file=sys.stderr)
        return 2


def run(args: argparse.Namespace) -> int:
    """Run the suite as asked, print and write what came of it; the exit status."""
    release, facts, workspace = prepare(args)
    if args.distributed:
        os.environ["UPSTREAM_TESTS_DISTRIBUTED"] = "1"
    outcomes = run_tests(workspace.root, test_files(facts.values()), args.jobs, args.pytest, python=args.python)
    again = partial(run_tests, workspace.root, jobs=args.jobs, quiet=True, python=args.python)
    outcomes = mark_inherited(workspace.root, outcomes, facts, again)
    whole = not (args.pytest or args.distributed or args.tree or args.testers)
    if args.update:
        update(by_package(outcomes), release)
    told = compare(by_package(outcomes), release) if whole else {}
    print(summary(outcomes, told))
    return 0 if succeeded(outcomes, told) else 1


def prepare(args: argparse.Namespace) -> tuple[str, dict[str, ModelFacts], Workspace]:
    """The release, the facts of each package, and the folder that its tests run in.

    With `--tree` the release is "": the tests are those of the tree.

    Raises:
        SuiteError: a model is named that there is none of; the tree is none, or lacks a test file; transformers is not
            installed, its source distribution is not to be had, or a model's test file could not be written.
    """
    if args.tree:
        folder = args.tree / "src" / "transformers" / "models"
        if not folder.is_dir():
            raise SuiteError(f"{args.tree} is not a tree of transformers", "name a folder that has src/transformers")
        models = find_models(args.model or generated_models(folder), folder)
        facts = {each.package: each for _, each in models}
        if lacking := [path for path in test_files(facts.values()) if not (args.tree / path).is_file()]:
            raise SuiteError(f"{args.tree} has no {lacking[0]}", f"export the model into it: {typed('pr')}")
        return "", facts, build_of_tree(args.workspace, args.tree, facts, args.testers)
    models = find_models(wanted(args), args.generated)
    release = version("transformers")
    if release is None:
        raise SuiteError("transformers is not installed", "run `make upstream-tests`, which installs what it needs")
    archive = find_sdist(release, args.cache)
    workspace = build(args.workspace, Path(installed("transformers") or ""), archive, models, args.testers)
    for package, said in workspace.unwritten.items():
        raise SuiteError(f"{package} has no test file: {said}", "convert it again, or correct its modular file")
    return release, {each.package: each for _, each in models}, workspace


def wanted(args: argparse.Namespace) -> list[str]:
    """The names of the models that the command line asks for."""
    if args.all:
        return generated_models(args.generated)
    return args.model or [path.stem for path in sorted(EXPECTED.glob("*.txt"))]


def find_models(names: Sequence[str], generated: Path) -> list[tuple[Path, ModelFacts]]:
    """The folder and the facts of each model. Raises SuiteError where one is not there."""
    there = [*generated_models(generated), *packages_of_others(generated)]
    names = [name.removeprefix(MEANT.family) for name in names]
    if missing := [name for name in names if name not in there]:
        near = [found for name in missing if (found := nearest(name, there))]
        fix = f"convert it first{f', or did you mean {chr(44).join(near)}?' if near else ''}"
        raise SuiteError(f"{generated} has no gated model of {', '.join(missing)}", fix)
    return [(generated / facts.package, facts) for facts in (facts_of(name, generated) for name in names)]


def compare(models: Mapping[str, Sequence[Outcome]], release: str) -> dict[str, list[str]]:
    """For each model how its tests differ from what this release of transformers is written down to give, if it is."""
    found = ((package, read_expected(EXPECTED, package, release), tests) for package, tests in models.items())
    return {package: differences(expected, tests) for package, expected, tests in found if expected is not None}


def update(models: Mapping[str, Sequence[Outcome]], release: str) -> None:
    """Write down what became of each test, and the documentation's table of all that is written down."""
    for package, outcomes in models.items():
        write_expected(EXPECTED, package, release, outcomes)
    written = [one for path in sorted(EXPECTED.glob("*.txt")) for one in written_outcomes(path)]
    write_table(DOCUMENT, markdown(written))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; says what is wrong with them and raises SystemExit(2)."""
    given = list(sys.argv[1:] if argv is None else argv)
    ours, rest = (given[: given.index("--")], given[given.index("--") + 1 :]) if "--" in given else (given, [])
    parser = _grammar()
    args = parser.parse_args(ours)
    args.pytest = rest
    if args.all and args.model:
        parser.error("--all runs every model already: leave out --model")
    if args.update and (rest or args.distributed):
        parser.error("--update is of a whole run: leave out --distributed and what follows --")
    if args.update and (args.tree or args.testers):
        parser.error("--update is of the stand-ins: leave out --tree and --testers")
    if args.all and args.tree:
        parser.error("--tree runs every model that was exported into it: leave out --all")
    for name in ("workspace", "generated", "cache", "testers", "tree"):
        if getattr(args, name) is not None:
            setattr(args, name, Path(getattr(args, name)).resolve())
    return args


def _grammar() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="upstream_tests.py",
        description="Run transformers' tests for all of its models on the generated ones.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cache = default_folder() or PROJECT / "build"
    add_models(parser)
    add_generated(parser, PROJECT / "generated")
    parser.add_argument(
        "--workspace",
        type=Path,
        default=PROJECT / "build" / "upstream-tests",
        metavar="DIR",
        help="the folder to run them in, which is made anew",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=cache / "sdist",
        metavar="DIR",
        help="where transformers' source distribution is kept",
    )
    add_jobs(parser, min(os.cpu_count() or 1, 8))
    parser.add_argument(
        "--distributed", action="store_true", help="also tests of several processes: a minute for each"
    )
    parser.add_argument(
        "--testers",
        type=Path,
        default=os.environ.get(TESTERS) or None,
        metavar="DIR",
        help=f"transformers' real testers, as its repository has them below tests/; ${TESTERS} if not given",
    )
    parser.add_argument("--tree", type=Path, metavar="DIR", help="models exported into this tree, under its own tests")
    parser.add_argument(
        "--python", default=sys.executable, metavar="EXE", help="the Python that runs them, with what the tree needs"
    )
    parser.add_argument("--update", action="store_true", help="write down the outcomes as those to expect")
    return parser
