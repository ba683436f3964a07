"""One process that runs the tests of many models, each in forks of it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from facts.project import GENERATED, facts_of
from test_sdist import archive
from testgen.upstream import upstream_path
from upstream_suite.forks import spread
from upstream_suite.many import run_many
from upstream_suite.outcomes import FAILED, INHERITED, PASSED
from upstream_suite.problems import SuiteError
from upstream_suite.workspace import add_test, build


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


def _work(name: str) -> None:
    if name == "dies":
        os._exit(3)
    if name.startswith("/"):  # a process with a child
        child = subprocess.Popen(["sleep", "600"])
        Path(name).write_text(str(child.pid))
        time.sleep(600)


@pytest.mark.parametrize("processes", [1, 3])
def test_every_name_comes_to_its_end(processes: int) -> None:
    names = ["a", "dies", "b", "c"]
    assert sorted(spread(_work, names, processes, 60)) == sorted(names)


def test_what_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    started, mark = time.monotonic(), tmp_path / "child"
    assert sorted(spread(_work, [str(mark), "a"], 2, 3)) == [str(mark), "a"]
    assert time.monotonic() - started < 60
    _assert_ended(mark)


def test_nothing_outlives_a_run_that_is_given_up(tmp_path: Path) -> None:
    mark = tmp_path / "child"
    run = spread(_work, ["a", str(mark)], 2, 60)
    assert next(run) == "a"
    while not (mark.exists() and mark.read_text()):
        time.sleep(0.05)
    run.close()
    _assert_ended(mark)


def _assert_ended(mark: Path) -> None:
    status, until = Path(f"/proc/{mark.read_text()}/stat"), time.monotonic() + 30
    while status.exists() and status.read_text().split()[2] != "Z":
        assert time.monotonic() < until
        time.sleep(0.05)


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
        add_test(tmp_path / "work", upstream_path(facts), text)
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
