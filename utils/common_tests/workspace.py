"""A folder that looks like a checkout of transformers with the generated models in it, as far as tests can tell."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from facts.entries import PeculiarError
from facts.peculiar import peculiarities
from facts.read import package_files
from facts.values import ModelFacts, base_name
from testgen.pull_request import suite_path, upstream_test

from common_tests.overlay import lay_over
from common_tests.problems import SuiteError
from common_tests.real_testers import check_fit, copy_beside, copy_missing, copy_tests
from common_tests.sdist import unpack_tests


STANDINS = Path(__file__).with_name("standins")
ROUNDING = Path(__file__).parents[1] / "rounding" / "comparing.py"  # the stand-ins compare as our own tests do
MARK = ".upstream-tests"  # this folder is ours to replace
_BASE = "base_of_"
_TEST = re.compile(r"^ +def (test_\w+)\(", re.MULTILINE)
_TESTS = re.compile(r"^class \w+\([^)]*unittest\.TestCase\):\n", re.MULTILINE)
# The test passes over models that say no year after 2022 in a file: the base is asked for as new a one as the gated model.
_OF_ANY_YEAR = """\
    def test_can_init_all_missing_weights(self):
        import inspect
        from unittest.mock import patch

        config, found = type(self.model_tester.prepare_config_and_inputs_for_common()[0]), inspect.getfile
        with patch("inspect.getfile", lambda what: __file__ if what is config else found(what)):
            super().test_can_init_all_missing_weights()

"""
_HERE = Path(__file__).parent
# Files of ours, beside a model's own, that have a say in what becomes of its tests.
DECISIVE = (
    ROUNDING,
    *sorted(STANDINS.rglob("*.py")),
    *(_HERE / f"{name}.py" for name in ("forks", "overlay", "runner")),
    *sorted((_HERE.parent / "processes").glob("*.py")),
)


@dataclass(frozen=True)
class Workspace:
    """Where the tests lie, and whose they are."""

    root: Path
    shipped: tuple[str, ...]  # modules of transformers' own, below tests/
    stood_in: tuple[str, ...]  # files of ours in the place of what its sdist lacks
    unwritten: Mapping[str, str]  # package without a test file -> what it lacks for one


def build(
    root: Path,
    installed: Path,
    archive: Path,
    packages: Iterable[tuple[Path, ModelFacts]],
    testers: Path | None = None,
) -> Workspace:
    """Make the folder anew.

    Args:
        root: where; what an earlier call left there is removed.
        installed: the folder of the installed transformers.
        archive: its source distribution.
        packages: the folder of each generated package, and its facts.
        testers: a folder with transformers' real testers, which stand-ins give way to.

    Raises:
        SuiteError: `root` holds something else, the archive holds no tests, or the testers are of another release.
    """
    packages = list(packages)
    _clear(root)
    tests = root / "tests"
    (tests / "models").mkdir(parents=True)
    (root / MARK).touch()
    (root / "pytest.ini").write_text("[pytest]\nverbosity_subtests = 0\n", encoding="utf-8")
    lay_over(installed, packages, root / "src" / "transformers")
    shipped = unpack_tests(archive, tests)
    if testers is not None:
        lent = copy_missing(testers, tests)
        check_fit(tests, lent, installed)
        copy_beside(testers, root)
        shipped += lent
    stood_in = _stand_in(tests)
    unwritten, known = {}, _shared_tests(tests)
    for folder, facts in packages:
        try:
            _check_skips(facts.name, known)
            add_test(root, suite_path(facts), upstream_test(facts, package_files(folder)))
        except (LookupError, PeculiarError) as error:
            unwritten[facts.package] = str(error)
    for folder in {path.parent for path in tests.rglob("*.py")} | {tests / "models"}:
        (folder / "__init__.py").touch()
    return Workspace(root, tuple(shipped), tuple(stood_in), unwritten)


def build_of_tree(root: Path, tree: Path, packages: Iterable[str], testers: Path | None = None) -> Workspace:
    """Make the folder anew for models that were exported into a tree of transformers, with its tests and their own.

    Args:
        root: where; what an earlier call left there is removed.
        tree: looks like a checkout; it is read alone.
        packages: the names of the models.
        testers: a folder with what the tree lacks of transformers' real testers.

    Raises SuiteError: `root` holds something else, or the testers are of another release than the tree.
    """
    _clear(root)
    tests = root / "tests"
    (tests / "models").mkdir(parents=True)
    (root / MARK).touch()
    (root / "pytest.ini").write_text("[pytest]\nverbosity_subtests = 0\n", encoding="utf-8")
    (root / "src").symlink_to(tree / "src", target_is_directory=True)
    shipped = copy_tests(tree, root, packages)
    copy_beside(tree, root)
    if testers is not None:
        shipped += copy_missing(testers, tests)
        copy_beside(testers, root)
    check_fit(tests, [path for path in shipped if "/" not in path], tree / "src" / "transformers")
    stood_in = _stand_in(tests)
    for folder in {path.parent for path in tests.rglob("*.py")} | {tests / "models"}:
        (folder / "__init__.py").touch()
    return Workspace(root, tuple(shipped), tuple(stood_in), {})


def _clear(root: Path) -> None:
    if root.exists() and any(root.iterdir()):
        if not (root / MARK).exists():
            raise SuiteError(f"{root} is not empty and was not made by this command", "name another --workspace")
        shutil.rmtree(root)


def _stand_in(tests: Path) -> list[str]:
    """Copy the stand-ins of whatever is not there; return their paths below tests/, sorted."""
    added = []
    for source in sorted(STANDINS.rglob("*")):
        path = source.relative_to(STANDINS)
        if source.suffix in (".py", ".json") and not (tests / path).exists():
            (tests / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, tests / path)
            added.append(path.as_posix())
    shutil.copyfile(ROUNDING, tests / "rounding.py")
    return [path for path in added if not path.endswith("__init__.py")]


def _shared_tests(tests: Path) -> set[str]:
    """The names of the tests that transformers has for all of its models, stand-ins included."""
    return {name for path in tests.rglob("*.py") for name in _TEST.findall(path.read_text(encoding="utf-8"))}


def _check_skips(name: str, known: set[str]) -> None:
    """Raises PeculiarError where a model's file leaves out a test that there is not, or no longer."""
    peculiar = peculiarities(name)
    peculiar.check("pull_request.skip", peculiar.upstream_skip, known, "test that transformers has for all models")


def add_test(root: Path, path: str, text: str) -> None:
    """Write a test module into the workspace."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    (target.parent / "__init__.py").touch()


def add_test_of_base(root: Path, facts: ModelFacts) -> str:
    """The same test module with the base's classes in the place of the gated ones; return its path below `root`.

    Only tests that ask nothing of gates mean something there.
    """
    text = (root / suite_path(facts)).read_text(encoding="utf-8")
    path = f"tests/models/{_BASE}{facts.package}/test_modeling_{_BASE}{facts.package}.py"
    add_test(root, path, _of_base(text, facts))
    return path


def _of_base(text: str, facts: ModelFacts) -> str:
    text = text.replace(f"from transformers.models.{facts.package}", f"from transformers.models.{facts.name}")
    names = [*(each.name for each in facts.models), *(each.name for each in facts.configs.values())]
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, base_name(name))
    text = text.replace(facts.names.prefix, "")
    internal = re.search(rf"from transformers\.models\.{facts.name}\.modeling_\w+ import (\([^)]*\)|.*)", text)
    for name in re.findall(r"\w+", internal[1] if internal else ""):
        text = text.replace(f"        {name},\n", "", 1)  # among those that transformers exports
    if "def test_can_init_all_missing_weights(" in text:
        return text
    return _TESTS.sub(lambda line: line[0] + _OF_ANY_YEAR, text)
