"""generated/ is exactly what modular/ says, from the cache as without it, and each file imports nothing of the project."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).resolve().parents[2]
GENERATED = sorted((ROOT / "generated").glob("*/*.py"))


def converter(*argv: str, cache: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "utils" / "modular_converter.py"), *argv]
    environment = os.environ | {"QUALITY_GATE_CACHE_DIR": str(cache)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_generated_files_are_fresh(tmp_path: Path) -> None:
    for _ in ("converted", "from the cache"):
        done = converter("--all", "--check", cache=tmp_path)
        assert done.returncode == 0, done.stdout
        count = len([*(ROOT / "generated").rglob("*.py")]) + 1  # and generated/lock.json
        assert done.stdout.splitlines()[-1] == f"{count} of {count} files identical"


def test_the_cache_gives_the_same_bytes(tmp_path: Path) -> None:
    models = [argument for name in ("llama", "gemma3", "mixtral") for argument in ("--model", name)]
    texts = {converter(*models, "--stdout", *how, cache=tmp_path).stdout for how in (["--no-cache"], [], [])}
    assert len(texts) == 1
    assert "class QualityGateLlamaForCausalLM" in texts.pop()


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.stem)
def test_generated_files_stand_alone(path: Path) -> None:
    """They import transformers absolutely and their siblings relatively, so that they also work as remote code."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level <= 1, ast.unparse(node)
            assert not (node.module or "").startswith("generated"), ast.unparse(node)
    assert "/" + "work/" not in path.read_text(encoding="utf-8")
