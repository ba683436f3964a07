"""Every file that the installed release made from a modular file comes out of this converter, byte for byte."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from building.workspace import read_release


SCRIPT = Path(__file__).resolve().parents[2] / "utils" / "modular_converter.py"
RELEASE = Path(find_spec("transformers").submodule_search_locations[0])
BANNER = re.compile(
    r"^# +This file was automatically generated from src/transformers/(models/\w+/modular_\w+\.py)\.$", re.M
)


def made_files(package: Path) -> list[Path]:
    """The files of a release whose banner says that they were made from a modular file."""
    files = sorted(package.glob("models/*/*.py"))
    return [path.relative_to(package) for path in files if BANNER.search(path.read_text(encoding="utf-8")[:1500])]


def convert(*argv: str | Path, cache: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *(["--no-cache"] if cache is None else []), "--quiet", *map(str, argv)]
    environment |= {"QUALITY_GATE_CACHE_DIR": str(cache)} if cache else {}
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, check=False)


def test_the_release_is_made_anew_from_its_modular_files(tmp_path: Path) -> None:
    """Nothing is read off the answers: parents that are generated themselves are made first, under any seed."""
    package = tmp_path / "transformers"
    shutil.copytree(RELEASE / "models", package / "models", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__init__.py").write_bytes((RELEASE / "__init__.py").read_bytes())
    made = made_files(package)
    assert len(made) > 600
    for name in made:
        (package / name).unlink()
    done = convert("--tree", package, "--jobs", "1", cache=tmp_path / "cache", PYTHONHASHSEED="7")
    assert done.returncode == 0, done.stderr[-2000:]
    assert [name for name in made if (package / name).read_bytes() != (RELEASE / name).read_bytes()] == []
    done = convert("--tree", package, "--check", cache=tmp_path / "cache")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, f"{len(made)} of {len(made)} files identical")


def test_the_page_says_how_many_files_the_release_has() -> None:
    expected = len(made_files(RELEASE))
    page = (SCRIPT.parents[1] / "docs" / "conformance.md").read_text(encoding="utf-8")
    row = rf"^\| {re.escape(read_release(RELEASE))}( \([^)]*\))? \| {expected} \| {expected} \|$"
    assert re.search(row, page, re.MULTILINE), f"docs/conformance.md: {expected} files in {read_release(RELEASE)}"


@pytest.mark.parametrize("model", ["qwen3", "gemma2", "olmo2"])
def test_a_model_named_alone(model: str) -> None:
    done = convert("--tree", RELEASE, "--model", model, "--check")
    assert done.returncode == 0, done.stdout
    assert re.fullmatch(r"(\d+) of \1 files identical", done.stdout.splitlines()[-1])


def test_a_changed_release_is_noticed(tmp_path: Path) -> None:
    """The count can fall: one hand edit, one missing and one surplus file are each counted as not identical."""
    package = tmp_path / "transformers"
    for model in ("olmo", "olmo2", "llama", "auto"):
        shutil.copytree(RELEASE / "models" / model, package / "models" / model)
    (package / "__init__.py").write_bytes((RELEASE / "__init__.py").read_bytes())
    folder = package / "models" / "olmo2"
    modeling = folder / "modeling_olmo2.py"
    modeling.write_text(modeling.read_text(encoding="utf-8").replace("rope", "rop", 1), encoding="utf-8")
    surplus = modeling.read_text(encoding="utf-8")
    (folder / "processing_olmo2.py").write_text(surplus, encoding="utf-8")
    (folder / "configuration_olmo2.py").unlink()
    done = convert("--tree", package, "--model", "olmo2", "--check", "--table")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "0 of 3 files identical"
    assert re.search(r"^all +0 +1 +1 +1$", done.stdout, re.MULTILINE)
