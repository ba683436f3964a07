"""A model that the project has never seen comes from its name alone, with its tests passing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).resolve().parents[2]
MODEL = "mistral"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project with the gated Llama and nothing of the model."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("utils", "templates"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
    for name in ("modular", "tests/models"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copytree(ROOT / "modular" / "gates", tmp_path / "modular" / "gates", ignore=ignore)
    for name in ("modular/modular_quality_gate_llama.py", "tests/models/support.py", "tests/models/conftest.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def call(project: Path, *argv: str) -> str:
    """Run a command in the project; what it prints."""
    environment = os.environ | {"PYTHONPATH": str(project), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *argv], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_model_comes_back_by_its_name(project: Path) -> None:
    call(project, "utils/modular_converter.py", "--model", MODEL)
    assert (project / f"modular/modular_quality_gate_{MODEL}.py").is_file()
    assert (project / f"generated/quality_gate_{MODEL}/modeling_quality_gate_{MODEL}.py").is_file()
    call(project, "utils/test_generator.py", "--model", MODEL)
    said = call(project, "-m", "pytest", f"tests/models/quality_gate_{MODEL}", "-m", "fast", "-o", "addopts=")
    assert " passed" in said and " failed" not in said and " skipped" not in said
    last = call(project, "utils/modular_converter.py", "--all", "--check", "--quiet")
    assert last == "13 of 13 files identical\n", "both models, the six files of the package, and the lock"
