"""The source distribution: fetched once, checked every time."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from common_tests import sdist
from common_tests.problems import SuiteError


RELEASE = "5.99.0"


def archive(path: Path, files: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name, text in files.items():
            member = tarfile.TarInfo(f"transformers-{RELEASE}/{name}")
            member.size = len(text.encode())
            made.addfile(member, io.BytesIO(text.encode()))
    return path


class Index:
    """A package index that counts what is fetched from it."""

    def __init__(self, **files: str) -> None:
        self.files = files or {"tests/test_modeling_common.py": "A = 1\n"}
        self.asked: list[str] = []

    def __call__(self, version: str, folder: Path) -> None:
        self.asked.append(version)
        archive(folder / f"transformers-{version}.tar.gz", self.files)


def test_fetched_once_and_kept(tmp_path: Path) -> None:
    index = Index()
    first = sdist.find_sdist(RELEASE, tmp_path / "cache", index)
    assert sdist.find_sdist(RELEASE, tmp_path / "cache", index) == first
    assert index.asked == [RELEASE]
    assert sorted(path.name for path in first.parent.iterdir()) == [
        f"transformers-{RELEASE}.tar.gz",
        f"transformers-{RELEASE}.tar.sha256",
    ]


def test_a_kept_file_that_changed_is_refused(tmp_path: Path) -> None:
    kept = sdist.find_sdist(RELEASE, tmp_path, Index())
    kept.write_bytes(kept.read_bytes() + b"more")
    with pytest.raises(SuiteError, match=r"its sha256 is .*\n    fix: remove .*transformers-5.99.0.tar.gz"):
        sdist.find_sdist(RELEASE, tmp_path, Index())


def test_another_file_than_the_known_one_is_refused_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sdist.DIGESTS, RELEASE, hashlib.sha256(b"something else").hexdigest())
    with pytest.raises(SuiteError, match="its sha256 is"):
        sdist.find_sdist(RELEASE, tmp_path, Index())
    assert not list(tmp_path.iterdir())


def test_an_index_without_it(tmp_path: Path) -> None:
    def only_a_wheel(version: str, folder: Path) -> None:
        (folder / f"transformers-{version}.whl").touch()

    with pytest.raises(SuiteError, match="gave no transformers-5.99.0.tar.gz, but transformers-5.99.0.whl"):
        sdist.find_sdist(RELEASE, tmp_path, only_a_wheel)


def test_what_pip_says_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(SuiteError, match=r"5\.99\.0: pip could not download .*No matching distribution"):
        sdist.find_sdist(RELEASE, tmp_path)


def test_only_tests_are_unpacked(tmp_path: Path) -> None:
    files = {
        "tests/test_one.py": "A = 1\n",
        "tests/deeper/test_two.py": "B = 2\n",
        "tests/notes.md": "no test\n",
        "tests/../escaped.py": "no\n",
        "src/transformers/tests/test_three.py": "no\n",
        f"tests/{tmp_path}/test_four.py": "no\n",
    }
    target = tmp_path / "tests"
    names = sdist.unpack_tests(archive(tmp_path / "any.tar.gz", files), target)
    assert names == ["deeper/test_two.py", "test_one.py"]
    assert (target / "test_one.py").read_text() == "A = 1\n"
    assert sorted(path.name for path in tmp_path.rglob("*.py")) == ["test_one.py", "test_two.py"]


def test_an_archive_without_tests(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="holds no tests"):
        sdist.unpack_tests(archive(tmp_path / "any.tar.gz", {"setup.py": ""}), tmp_path)
