"""transformers' real testers: taken from a folder where there is one, refused where they are of another release."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from common_tests.cli import main, parse
from common_tests.problems import SuiteError
from common_tests.real_testers import check_fit
from common_tests.workspace import STANDINS, build, build_of_tree
from test_checkout import gemma3, installed  # noqa: F401
from test_sdist import archive


REAL = Path(__file__).resolve().parents[3] / "shared" / "upstream_tests"
TESTER = "from transformers.testing_utils import {}\n\n\nclass CausalLMModelTester:\n    pass\n"


def lender(folder: Path, asks: str = "slow") -> Path:
    """A folder that looks like one with real testers."""
    for path, text in {
        "tests/causal_lm_tester.py": TESTER.format(asks),
        "tests/utils/sizes.json": "{}",
        "tests/test_modeling_common.py": "REAL = True\n",
        "utils/module.py": "A = 1\n",
        "conftest.py": "",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def tree(folder: Path) -> Path:
    package = folder / "src" / "transformers"
    package.mkdir(parents=True)
    (package / "testing_utils.py").write_text("def slow():\n    pass\n")
    tests = folder / "tests"
    (tests / "models" / "quality_gate_toy").mkdir(parents=True)
    (tests / "models" / "quality_gate_toy" / "test_modeling_quality_gate_toy.py").write_text("A = 1\n")
    (tests / "models" / "llama").mkdir()
    (tests / "test_modeling_common.py").write_text("OF_THE_TREE = True\n")
    return folder


def test_real_testers_stand_where_the_distribution_has_none(installed: Path, tmp_path: Path) -> None:  # noqa: F811
    sdist = archive(tmp_path / "any.tar.gz", {"tests/test_modeling_common.py": "OWN = True\n"})
    (installed / "testing_utils.py").write_text("def slow():\n    pass\n")
    workspace = build(tmp_path / "work", installed, sdist, [gemma3()], lender(tmp_path / "real"))
    tests = tmp_path / "work" / "tests"
    assert (tests / "causal_lm_tester.py").read_text() == TESTER.format("slow")
    assert (tests / "test_modeling_common.py").read_text() == "OWN = True\n", "what the release ships is its own"
    assert (tests / "utils" / "sizes.json").exists() and (tmp_path / "work" / "utils" / "module.py").exists()
    assert "causal_lm_tester.py" in workspace.shipped and "causal_lm_tester.py" not in workspace.stood_in
    assert "generation/test_utils.py" in workspace.stood_in, "stand-ins fill what is left"


def test_a_tree_is_tested_with_its_own_sources_and_left_as_it_is(tmp_path: Path) -> None:
    made = tree(tmp_path / "tree")
    before = sorted(made.rglob("*"))
    build_of_tree(tmp_path / "work", made, ["quality_gate_toy"], lender(tmp_path / "real"))
    tests = tmp_path / "work" / "tests"
    assert (tmp_path / "work" / "src").resolve() == made / "src"
    assert (tests / "test_modeling_common.py").read_text() == "OF_THE_TREE = True\n"
    assert (tests / "causal_lm_tester.py").read_text() == TESTER.format("slow")
    assert [path.name for path in (tests / "models").iterdir() if path.is_dir()] == ["quality_gate_toy"]
    assert sorted(made.rglob("*")) == before


def test_testers_of_another_release_are_refused(tmp_path: Path) -> None:
    made = tree(tmp_path / "tree")
    with pytest.raises(SuiteError, match="causal_lm_tester.py imports quick, which transformers.testing_utils lacks"):
        build_of_tree(tmp_path / "work", made, [], lender(tmp_path / "real", asks="quick"))
    check_fit(lender(tmp_path / "other") / "tests", ["causal_lm_tester.py"], made / "src" / "transformers")


def test_folders_without_testers_or_models_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tree(tmp_path / "tree")
    with pytest.raises(SuiteError, match="causal_lm_tester.py is not there"):
        build_of_tree(tmp_path / "work", made, [], tmp_path)
    assert main(["--tree", str(tmp_path), "--workspace", str(tmp_path / "w")]) == 2
    assert "is not a tree of transformers" in capsys.readouterr().err


def test_a_variable_names_the_testers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_TESTS_DISTRIBUTED", "")
    monkeypatch.setenv("UPSTREAM_TESTERS", str(tmp_path))
    assert parse([]).testers == tmp_path and parse(["--testers", str(tmp_path / "b")]).testers == tmp_path / "b"
    monkeypatch.delenv("UPSTREAM_TESTERS")
    assert parse([]).testers is None
    with pytest.raises(SystemExit):
        parse(["--update", "--tree", str(tmp_path)])


def sizes(text: str, name: str) -> dict[str, object]:
    """The literals that a tester gives its attributes: those of a table, or of `__init__`'s parameters."""
    tree = ast.parse(text)
    tables = [
        node.value for node in ast.walk(tree) if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    ]
    if tables:
        return ast.literal_eval(tables[0])
    [init] = [
        each
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "CausalLMModelTester"
        for each in node.body
        if isinstance(each, ast.FunctionDef) and each.name == "__init__"
    ]
    given = init.args.args[-len(init.args.defaults) :]
    return {each.arg: ast.literal_eval(value) for each, value in zip(given, init.args.defaults, strict=True)}


@pytest.mark.skipif(not REAL.is_dir(), reason="transformers' real testers are not beside this project")
def test_the_stand_in_makes_the_configurations_that_the_real_tester_makes() -> None:
    real = sizes((REAL / "tests" / "causal_lm_tester.py").read_text(), "")
    ours = sizes((STANDINS / "causal_lm_tester.py").read_text(), "_SIZES")
    of_configs = {name: value for name, value in real.items() if name in ours}
    assert len(of_configs) > 10 and of_configs == {name: ours[name] for name in of_configs}
    other = {
        "scope",
        "num_choices",
        "type_sequence_label_size",
        "use_token_type_ids",
    }  # of inputs, not of configurations
    assert set(real) - set(ours) == other
