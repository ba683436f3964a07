"""The tests that transformers has for all of its models, on every architecture that was made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from building.library import digest, installed
from building.tools import version
from common_tests.many import run_many
from common_tests.outcomes import FAILED, INHERITED, PASSED, SKIPPED, Outcome
from common_tests.sdist import find_sdist
from common_tests.workspace import DECISIVE, Workspace, build
from facts.values import ModelFacts

from matrix.pipeline import Settings
from matrix.results import Results
from matrix.values import Common, Made, State
from matrix.workspace import DECISIVE_PACKAGES, MatrixWorkspace


Tell = Callable[[str, Common], None]
_BROKEN, _FILE = "pytest", "the test file"  # named instead of a test where it was not the model that failed


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where these tests run: a folder that looks like a checkout of transformers with the architectures in it."""

    built: Workspace
    generated: Path
    shared: str  # digest of what the tests of all of them depend on

    def key(self, package: str) -> str:
        """Digest of everything that the tests of one package depend on."""
        folders = (self.generated / package, self.built.root / "tests" / "models" / package)
        files = [path for folder in folders for path in sorted(folder.glob("*.py"))]
        return digest(
            "\n".join([self.shared, *(f"{path.name} {digest(path.read_bytes())}" for path in files)]).encode()
        )


def set_up(workspace: MatrixWorkspace, names: Iterable[str], sdists: Path) -> Checkout:
    """Make the folder anew. Raises SuiteError where transformers' source distribution is not to be had."""
    archive = find_sdist(version("transformers") or "", sdists)
    generated = workspace.folder / "generated"
    models = [_located(workspace, name) for name in names]
    checkout = build(workspace.folder / "common", Path(installed("transformers") or ""), archive, models)
    parts = [f"{path.name} {digest(path.read_bytes())}" for path in DECISIVE]
    parts += [f"{package} {version(package)}" for package in DECISIVE_PACKAGES]
    return Checkout(checkout, generated, digest("\n".join([digest(archive.read_bytes()), *parts]).encode()))


def _located(workspace: MatrixWorkspace, name: str) -> tuple[Path, ModelFacts]:
    facts = workspace.facts(name)
    return workspace.folder / "generated" / facts.package, facts


def run_common(
    workspace: MatrixWorkspace, made: Sequence[Made], results: Results, settings: Settings, tell: Tell
) -> Mapping[str, Common]:
    """What these tests say of each architecture that was made, from kept results where nothing has changed.

    Those that the settings leave out are missing. Raises SuiteError where none of these tests can be had.

    Args:
        workspace: the folder that they were made in.
        made: the architectures; only those with gates have such tests.
        results: those of earlier runs; new ones are kept there.
        settings: of the run.
        tell: called with a name and what its tests say, as soon as that is known.
    """
    names = [one.name for one in made if one.state is State.GATED]
    if not names or settings.sdists is None:
        return {}
    checkout = set_up(workspace, names, settings.sdists)
    packages = {name: workspace.facts(name).package for name in names}
    keys = {name: checkout.key(package) for name, package in packages.items()}
    found = {name: None if settings.again else results.get_common(name, keys[name]) for name in names}
    unwritten = checkout.built.unwritten
    found |= {
        name: Common(failures=((_FILE, unwritten[each]),)) for name, each in packages.items() if each in unwritten
    }
    for name, kept in found.items():
        if kept:
            tell(name, kept)
    known = {name: kept for name, kept in found.items() if kept}
    waiting = [] if settings.only_known else [name for name in names if name not in known]
    return known | (_run(checkout, waiting, keys, results, settings, tell) if waiting else {})


def _run(
    checkout: Checkout, names: Sequence[str], keys: Mapping[str, str], results: Results, settings: Settings, tell: Tell
) -> dict[str, Common]:
    found = {}
    runs = run_many(checkout.built.root, checkout.generated, names, settings.processes, settings.limit)
    for name, outcomes in runs:
        found[name] = tallied(outcomes, settings.limit)
        if outcomes is not None:
            results.put_common(name, found[name], keys[name])
        tell(name, found[name])
    return found


def tallied(outcomes: Sequence[Outcome] | None, limit: float) -> Common:
    """Outcomes counted; where there are none, that is a failure."""
    if not outcomes:
        return Common(failures=((_BROKEN, f"broke down, or took longer than {limit:.0f} s"),))
    kinds = {kind: [one for one in outcomes if one.outcome == kind] for kind in (PASSED, SKIPPED, FAILED, INHERITED)}
    return Common(
        len(kinds[PASSED]),
        len(kinds[SKIPPED]),
        tuple((one.test, one.reason) for one in kinds[FAILED]),
        tuple((one.test, one.reason) for one in kinds[INHERITED]),
        round(sum(one.seconds for one in outcomes), 1),
    )
