"""One process that runs the tests of many models, each in forks of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from common_tests.many import run_many
from common_tests.outcomes import FAILED, INHERITED, PASSED
from common_tests.problems import SuiteError
from common_tests.workspace import add_test, build
from facts.project import GENERATED, facts_of
from test_sdist import archive
from testgen.pull_request import suite_path


TESTS = """
import os
import transformers
NAME = "QualityGateLlama"
class TestIt:
    def test_passes(self): assert transformers.LAID_OVER
    def test_fails_alone(self): assert NAME == "Llama"
    def test_fails_like_its_base(self): assert not NAME
    def test_leaves_its_process(self): os.chdir("/")
    def test_of_a_gate(self): assert not NAME
    def test_quality_loss_0_samples(self): assert not NAME
    def test_quality_loss(self): pass
class Mixin:
    test_reentrant_true = TestIt.test_fails_like_its_base
class TestMore(Mixin): pass
"""
DYING = "import os\ndef test_dies(): os._exit(0)\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace of tests of a few lines, with a transformers of as many."""
    auto = tmp_path / "site" / "transformers" / "models" / "auto"
    auto.mkdir(parents=True)
    (tmp_path / "site" / "transformers" / "__init__.py").write_text("LAID_OVER = True\n")
    (tmp_path / "site" / "transformers" / "modeling_utils.py").touch()
    (auto / "auto_mappings.py").write_text("CONFIG_MAPPING_NAMES, SPECIAL_MODEL_TYPE_TO_MODULE_NAME = {}, {}\n")
    (auto / "modeling_auto.py").touch()
    sdist = archive(tmp_path / "any.tar.gz", {"tests/causal_lm_tester.py": "A = 1\n"})
    models = [(GENERATED / facts.package, facts) for facts in map(facts_of, ("llama", "mistral"))]
    build(tmp_path / "work", tmp_path / "site" / "transformers", sdist, models)
    for (_, facts), text in zip(models, (TESTS, DYING)):
        add_test(tmp_path / "work", suite_path(facts), text)
    return tmp_path / "work"


def test_outcomes_of_models_and_what_their_bases_share(root: Path) -> None:
    found = dict(run_many(root, GENERATED, ["llama", "mistral"], 1, 60))
    assert found["mistral"] is None, "its tests ended pytest"
    assert {one.test: one.outcome for one in found["llama"]} == {
        "TestIt::test_passes": PASSED,
        "TestIt::test_fails_alone": FAILED,
        "TestIt::test_fails_like_its_base": INHERITED,
        "TestIt::test_leaves_its_process": PASSED,
        "TestIt::test_of_a_gate": FAILED,
        "TestIt::test_quality_loss_0_samples": FAILED,
        "TestIt::test_quality_loss": PASSED,
        "TestMore::test_reentrant_true": INHERITED,
    }


def test_a_process_that_cannot_start_is_told(root: Path) -> None:
    (root / "tests" / "causal_lm_tester.py").write_text("raise RuntimeError\n")
    with pytest.raises(SuiteError, match="ended early"):
        list(run_many(root, GENERATED, ["llama"], 1, 60))
