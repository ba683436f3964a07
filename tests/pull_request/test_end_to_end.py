"""All four families in the source distribution of transformers: exported, verified, imported, and their tests run there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest
from building.cache import default_folder
from common_tests import sdist, workspace
from common_tests.problems import SuiteError
from pull_request.cli import main
from pull_request.repository import branch_name
from trees import commit_all, git


MODELS = ("gemma3", "llama")  # one with pictures, and the home of the gate
if os.environ.get("QUALITY_GATE_TESTS") == "all":
    MODELS = ("gemma3", "gpt_oss", "llama", "qwen3")
# Of the tests in upstream's style, those about gates: all of them take minutes, and `make upstream-tests` runs them.
OWN = "gates_are or base_and_only or quality_loss or every_gate"
IMPORT = """
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, QualityGateLlamaForCausalLM
import transformers
assert transformers.__file__.startswith({root!r}), transformers.__file__
for name in {names}:
    model_type = "quality_gate_" + name
    config = AutoConfig.for_model(model_type)
    assert config.model_type == model_type and type(config).__name__.startswith("QualityGate")
    assert AutoModelForCausalLM._model_mapping[type(config)].__name__.startswith("QualityGate")
assert AutoModelForImageTextToText._model_mapping[type(AutoConfig.for_model("quality_gate_gemma3"))]
assert "QualityGateGemma3ForConditionalGeneration" in transformers.__all__  # what a star imports, which takes long
assert "quality_classification_loss" not in transformers.__all__
"""


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source distribution as a checkout, with what stands in for the tests that it lacks."""
    folder = tmp_path_factory.mktemp("sdist")
    cache = default_folder() or Path(__file__).parents[2] / "build"
    try:
        path = sdist.find_sdist(version("transformers"), cache / "sdist")
    except SuiteError as error:  # it is downloaded once, and kept
        pytest.skip(f"no source distribution to export into: {error}")
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    (root,) = folder.iterdir()
    shutil.copytree(workspace.STANDINS, root / "tests", dirs_exist_ok=True)
    shutil.copyfile(workspace.ROUNDING, root / "tests" / "rounding.py")
    (root / "tests" / "models").mkdir(exist_ok=True)
    for package in {path.parent for path in (root / "tests").rglob("*.py")} | {root / "tests" / "models"}:
        (package / "__init__.py").touch()
    return commit_all(root)


def python(repo: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    surroundings = {
        **os.environ,
        "PYTHONPATH": str(repo / "src"),
        "HF_HUB_OFFLINE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    surroundings = {name: value for name, value in surroundings.items() if not name.startswith("PYTEST_")}
    command = (sys.executable, *arguments)
    return subprocess.run(command, cwd=repo, env=surroundings, capture_output=True, encoding="utf-8")


def test_all_families_are_exported_verified_and_tested(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = [argument for name in MODELS for argument in ("--model", name)]
    assert main([*models, "--repo", str(repo), "--no-checks"]) == 0
    assert main([*models, "--repo", str(repo), "--verify"]) == 0
    git(repo, "switch", "--quiet", branch_name(MODELS))
    assert git(repo, "status", "--porcelain") == ""

    done = python(repo, "-c", IMPORT.format(root=str(repo), names=MODELS))
    assert not done.returncode and "[ERROR]" not in done.stdout + done.stderr, done.stdout + done.stderr

    tests = [f"tests/models/quality_gate_{name}" for name in MODELS]
    done = python(repo, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", OWN, *tests)
    assert not done.returncode, done.stdout[-4000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) >= 6 * len(tests), done.stdout[-4000:]


def test_the_body_has_evidence(
    repo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parity and costs are measured on the branch; its tests are not run twice."""
    monkeypatch.setattr("pull_request.repository.run_tests", lambda *_: [])
    assert main(["--model", "llama", "--repo", str(repo), "--branch", "evidence"]) == 0
    body = (repo / ".git" / "quality-gate" / "evidence.md").read_text()
    assert "| `QualityGateLlamaForCausalLM` | `LlamaForCausalLM` | equal, bit for bit | 0.0 |" in body
    assert "| `QualityGateLlamaForCausalLM` | 6,738,415,616 | 131,072 | 0.00195% | 131,072 |" in body
    assert "- [x] `upstream_pr.py --verify`: 0 findings" in body
