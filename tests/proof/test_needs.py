"""What a release needs beside this Python's packages."""

from __future__ import annotations

import subprocess
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from building.workspace import find_transformers
from diagnostics.errors import ConversionError
from proof.requirements import install, unmet


def release(folder: Path, table: dict[str, str], checked: list[str]) -> Path:
    folder.mkdir()
    (folder / "dependency_versions_table.py").write_text(f"deps = {table!r}\n")
    (folder / "dependency_versions_check.py").write_text(f"pkgs_to_check_at_runtime = {checked!r}\n")
    return folder


def test_the_installed_release_lacks_nothing() -> None:
    assert unmet(find_transformers()) == ()


def test_what_is_too_old_or_too_new_is_told(tmp_path: Path) -> None:
    table = {
        "numpy": f"numpy=={version('numpy')}",
        "torch": "torch>=999",
        "tokenizers": "tokenizers<0.1",
        "safetensors": "safetensors>=999",  # not checked when it is imported
        "no-such-package": "no-such-package>=1",
        "python": "python>=999",
    }
    package = release(tmp_path / "x", table, ["python", "numpy", "torch", "tokenizers", "no-such-package", "unlisted"])
    assert unmet(package) == ("tokenizers<0.1", "torch>=999")


def test_a_release_that_keeps_no_tables_needs_nothing_that_is_known(tmp_path: Path) -> None:
    assert unmet(tmp_path) == ()
    (tmp_path / "dependency_versions_table.py").write_text("deps = compute()\n")
    assert unmet(tmp_path) == ()


def wheel(folder: Path) -> None:
    """A package of one line, as a wheel."""
    info = "a_toy_need-9.0.dist-info"
    with zipfile.ZipFile(folder / "a_toy_need-9.0-py3-none-any.whl", "w") as archive:
        archive.writestr("a_toy_need.py", "VALUE = 9\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: a-toy-need\nVersion: 9.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")


def test_it_is_installed_once_beside_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    folder = install(["a-toy-need>=9"], tmp_path / "releases")
    assert (folder / "a_toy_need.py").read_text() == "VALUE = 9\n"
    monkeypatch.setattr(subprocess, "run", None)
    assert install(["a-toy-need>=9"], tmp_path / "releases") == folder


def test_what_cannot_be_had_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ConversionError) as told:
        install(["a-toy-need>=9"], tmp_path / "releases")
    assert [one.code for one in told.value.diagnostics] == ["cannot-fetch"]
    assert not [path for path in (tmp_path / "releases").iterdir() if path.name.startswith("needs-")]
