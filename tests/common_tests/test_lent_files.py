"""Which files of somebody's testers come along, whether they fit, and whose fault a failing test is: on small folders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from common_tests import runner
from common_tests.expected import differences, read_expected, write_expected, written_outcomes
from common_tests.outcomes import FAILED, INHERITED, PASSED, SKIPPED, Outcome, counts
from common_tests.problems import SuiteError
from common_tests.real_testers import check_fit, copy_beside, copy_missing, copy_tests
from common_tests.report import markdown, read_table, write_table
from common_tests.runner import mark_inherited
from facts.values import Abilities, ConfigFacts, LayerFacts, ModelClass, ModelFacts
from testgen.pull_request import suite_path


NAME = "quality_gate_toy"
CONFIG = ConfigFacts("QualityGateToyConfig", NAME, {})
MODEL = ModelClass("QualityGateToyModel", "Model", CONFIG.name)
LAYER = LayerFacts("QualityGateToyLayer", True, False, "", "", ())
FACTS = ModelFacts(
    name="toy",
    package=NAME,
    prefix="QualityGateToy",
    base_prefix="Toy",
    configs={CONFIG.name: CONFIG},
    text_config=CONFIG,
    models=(MODEL,),
    text_model=MODEL,
    causal_lm=None,
    layers=(LAYER,),
    gate="QualityGateToyGate",
    cache="",
    abilities=Abilities(*[False] * 19),
)


def put(root: Path, *names: str) -> Path:
    """Files that hold their own names."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"# {name}\n")
    return root


def below(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_what_is_missing_is_lent_and_what_is_there_stays(tmp_path: Path) -> None:
    testers = put(tmp_path / "t", "tests/causal_lm_tester.py", "tests/a/b.py", "tests/c.json", "tests/d.txt", "e.py")
    (testers / "tests" / "link.py").symlink_to(testers / "e.py")
    tests = put(tmp_path / "tests", "a/b.py")
    (tests / "a" / "b.py").write_text("mine")
    assert copy_missing(testers, tests) == ["c.json", "causal_lm_tester.py"]
    assert below(tests) == ["a/b.py", "c.json", "causal_lm_tester.py"] and (tests / "a" / "b.py").read_text() == "mine"
    assert copy_missing(testers, tests) == []


@pytest.mark.parametrize("names", [(), ("tests/a.py",), ("causal_lm_tester.py",)])
def test_a_folder_without_testers_lends_nothing(names: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"causal_lm_tester\.py is not there"):
        copy_missing(put(tmp_path / "t", *names), tmp_path / "tests")
    assert not (tmp_path / "tests").exists()


def test_tests_of_a_tree_are_those_of_all_models_and_of_some(tmp_path: Path) -> None:
    tree = put(
        tmp_path / "tree", *(f"tests/{name}" for name in ("a.py", "b/c.py", "models/x/t.py", "models/y/t.py", "d.txt"))
    )
    assert copy_tests(tree, tmp_path / "root", ["x"]) == ["a.py", "b/c.py"]
    assert below(tmp_path / "root") == ["tests/a.py", "tests/b/c.py", "tests/models/x/t.py"]


def test_tools_and_settings_come_along_where_there_are_none(tmp_path: Path) -> None:
    testers = put(tmp_path / "t", "utils/a.py", "utils/__pycache__/a.pyc", "conftest.py", "other.py")
    copy_beside(testers, put(tmp_path / "root", "x"))
    assert below(tmp_path / "root") == ["conftest.py", "utils/a.py", "x"]
    own = put(tmp_path / "own", "utils/mine.py", "conftest.py")
    (own / "conftest.py").write_text("mine")
    copy_beside(testers, own)
    assert below(own) == ["conftest.py", "utils/mine.py"] and (own / "conftest.py").read_text() == "mine"
    copy_beside(tmp_path / "nothing", own)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("from transformers.utils import there", True),
        ("from transformers.utils import gone", False),
        ("from transformers.utils import there, gone as there2", False),
        ("from transformers.utils import ther", False),  # no word of it
        ("from transformers.utils import *", True),
        ("from transformers import gone", True),  # nothing tells what that has
        ("from transformers.nowhere import gone", True),  # pytest says that better
        ("from .utils import gone", True),
        ("from transformers_of_others.utils import gone", True),
        ("def f():\n    from transformers.utils import gone", True),  # where it is needed
        ("import transformers.utils", True),
        ("match = (", True),  # no Python of this release
    ],
)
def test_testers_fit_where_transformers_has_what_they_import(text: str, fits: bool, tmp_path: Path) -> None:
    package = put(tmp_path / "transformers", "x.py")
    (package / "utils.py").write_text("there = 1\n")
    (tmp_path / "t.py").write_text(text)
    (tmp_path / "t.json").write_text("from transformers.utils import gone")
    check_fit(tmp_path, ["t.json"], package)
    if fits:
        check_fit(tmp_path, ["t.py"], package)
        return
    with pytest.raises(SuiteError, match=r"t\.py imports gone|t\.py imports ther,"):
        check_fit(tmp_path, ["t.py"], package)


# ---- whose fault it is

SUITE = """
from transformers.models.quality_gate_toy.modeling_quality_gate_toy import QualityGateToyModel

class QualityGateToyModelTest:
    def test_gate_scores(self): ...
    def test_forward(self): ...
"""


def outcome(test: str, outcome: str = FAILED, reason: str = "why", package: str = NAME) -> Outcome:
    return Outcome(package, test, outcome, reason, 0.5)


def marked(root: Path, outcomes: Iterable[Outcome], of_base: dict[str, str]) -> tuple[list[str], list[str]]:
    """What becomes of outcomes when the base's tests come out so, and which of them are run."""
    path = root / suite_path(FACTS)
    path.parent.mkdir(parents=True)
    path.write_text(SUITE)
    asked: list[str] = []

    def run(nodes: Sequence[str]) -> list[Outcome]:
        asked.extend(nodes)
        return [outcome(test, found, package=f"base_of_{NAME}") for test, found in of_base.items()]

    return [each.outcome for each in mark_inherited(root, outcomes, {NAME: FACTS}, run)], asked


TEST = "QualityGateToyModelTest"


@pytest.mark.parametrize(
    ("test", "base", "expected"),
    [
        (f"{TEST}::test_forward", {"ToyModelTest::test_forward": FAILED}, INHERITED),
        (f"{TEST}::test_forward", {"ToyModelTest::test_forward": PASSED}, FAILED),
        (f"{TEST}::test_forward", {"ToyModelTest::test_backward": FAILED}, FAILED),
        (f"{TEST}::test_forward_03_sdpa", {"ToyModelTest::test_forward_03_sdpa": FAILED}, INHERITED),
    ],
)
def test_what_fails_of_the_base_as_well_is_no_fault_of_gates(
    test: str, base: dict[str, str], expected: str, tmp_path: Path
) -> None:
    found, asked = marked(tmp_path, [outcome(test), outcome(f"{TEST}::test_other", PASSED)], base)
    assert found == [expected, PASSED]
    path = f"tests/models/base_of_{NAME}/test_modeling_base_of_{NAME}.py"
    assert asked == [f"{path}::{test.replace('QualityGate', '')}"]
    text = (tmp_path / path).read_text()
    assert "from transformers.models.toy." in text and "QualityGate" not in text and "class ToyModelTest" in text


@pytest.mark.parametrize(
    "test", [f"{TEST}::test_gate_scores", f"{TEST}::test_gate_scores_1_eager", "test_modeling.py"]
)
def test_tests_of_gates_and_of_whole_files_are_run_once(test: str, tmp_path: Path) -> None:
    assert marked(tmp_path, [outcome(test)], {}) == ([FAILED], [])


def test_a_test_that_only_sounds_like_one_of_gates_is_asked_of_the_base(tmp_path: Path) -> None:
    found, asked = marked(tmp_path, [outcome(f"{TEST}::test_aggregates")], {"ToyModelTest::test_aggregates": FAILED})
    assert found == [INHERITED] and len(asked) == 1


def test_files_are_named_as_in_transformers() -> None:
    assert runner.test_files([FACTS]) == [f"tests/models/{NAME}/test_modeling_{NAME}.py"]


# ---- what is expected

ODD = [
    outcome("A::test_b", SKIPPED, "needs: a colon, and é"),
    outcome("A::test_a", PASSED, ""),
    outcome("A::test_c", INHERITED, "1 != 2"),
]


def test_outcomes_come_back_from_their_file_sorted(tmp_path: Path) -> None:
    write_expected(tmp_path / "deep", NAME, "5.24.0", ODD)
    found = written_outcomes(tmp_path / "deep" / f"{NAME}.txt")
    assert [(each.test, each.outcome, each.reason) for each in found] == [
        ("A::test_a", PASSED, ""),
        ("A::test_b", SKIPPED, "needs: a colon, and é"),
        ("A::test_c", INHERITED, "1 != 2"),
    ]
    assert {each.package for each in found} == {NAME} and list(counts(found).values()) == [1, 1, 0, 1]
    assert read_expected(tmp_path / "deep", NAME, "5.24") is None, "another release begins alike"


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        (PASSED, outcome("t", PASSED, ""), []),
        (INHERITED, outcome("t", INHERITED), []),
        (INHERITED, outcome("t", PASSED, ""), []),
        (INHERITED, outcome("t", SKIPPED), ["t: expected to be inherited, was skipped: why"]),
        (PASSED, outcome("t", FAILED), []),  # a failure is told as such
        (SKIPPED, outcome("t", INHERITED), ["t: expected to be skipped, was inherited: why"]),
        (SKIPPED, outcome("t", SKIPPED, ""), ["t: was skipped without a reason"]),
        (
            PASSED,
            outcome("t", SKIPPED, ""),
            ["t: expected to be passed, was skipped: ", "t: was skipped without a reason"],
        ),
    ],
)
def test_what_is_another_than_expected(was: str, now: Outcome, words: list[str]) -> None:
    assert differences({"t": was}, [now]) == words


def test_tables_count_models_and_reasons(tmp_path: Path) -> None:
    second = [
        outcome("A::test_a", SKIPPED, "test is slow", "quality_gate_zoo"),
        outcome("B", FAILED, "x", "quality_gate_zoo"),
    ]
    table = markdown([*second, *ODD])
    assert table.splitlines() == [
        "| model | passed | skipped | failed | inherited |",
        "| --- | ---: | ---: | ---: | ---: |",
        f"| {NAME} | 1 | 1 | 0 | 1 |",
        "| quality_gate_zoo | 0 | 1 | 1 | 0 |",
        "",
        f"| skipped because it | {NAME} | quality_gate_zoo |",
        "| --- | ---: | ---: |",
        "| needs a public checkpoint | 0 | 1 |",
        "| not for this architecture | 1 | 0 |",
    ]
    document = tmp_path / "page.md"
    document.write_text("# Head\n<!-- results -->\n<!-- end of results -->\nfoot\n")
    assert read_table(document) == ""
    for _ in range(2):
        write_table(document, table)
        assert read_table(document) == table and document.read_text().endswith("<!-- end of results -->\nfoot\n")
    document.write_text("nothing")
    assert read_table(document) == ""
