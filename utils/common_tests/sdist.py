"""transformers' source distribution: downloaded with pip once, checked, kept; its tests are in no wheel."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from common_tests.problems import SuiteError


# What PyPI serves for the releases that were looked at. Of any other, the first download is believed and kept to.
DIGESTS = {
    "5.23.0": "19d647a4d5d903a7c644ca5cde2d86efc3dde7d8c687ae7988806ff2205efa71",
    "5.24.0": "906cb8c3cb2123575e263962586a4d21a979ce97feeb95fe6aaf66fe6ae88bf3",
}
Download = Callable[[str, Path], None]


def find_sdist(version: str, cache: Path, download: Download | None = None) -> Path:
    """The source distribution of one release, from `cache` or else from the package index.

    Args:
        version: of transformers, "5.24.0".
        cache: a folder for it; made where it is missing.
        download: puts the archive of a version into a folder; pip by default.

    Raises:
        SuiteError: it cannot be downloaded, or is not what it should be.
    """
    archive = cache / f"transformers-{version}.tar.gz"
    note = archive.with_suffix(".sha256")
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=cache, prefix="download-") as folder:
            (download or pip_download)(version, Path(folder))
            fetched = Path(folder, archive.name)
            if not fetched.exists():
                raise SuiteError(
                    f"transformers {version}: the package index gave no {archive.name}, but "
                    f"{', '.join(sorted(os.listdir(folder))) or 'nothing'}",
                    "install a release of transformers that has a source distribution",
                )
            check_digest(fetched, DIGESTS.get(version))
            note.write_text(digest(fetched) + "\n", encoding="utf-8")
            os.replace(fetched, archive)
    check_digest(
        archive, DIGESTS.get(version) or (note.read_text(encoding="utf-8").strip() if note.exists() else None)
    )
    return archive


def check_digest(archive: Path, expected: str | None) -> None:
    """Raise SuiteError unless the file is the expected one; where nothing is expected, anything is."""
    if expected and (found := digest(archive)) != expected:
        raise SuiteError(
            f"{archive}: its sha256 is {found}, but should be {expected}",
            f"remove {archive} and run again: it is downloaded anew",
        )


def digest(path: Path) -> str:
    """The sha256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pip_download(version: str, folder: Path) -> None:
    """Let pip put the archive into `folder`. pip checks it against the digest that the index states.

    Raises SuiteError, with the first three of pip's errors, where pip fails.
    """
    command = (
        *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet", "--no-deps"),
        *("--no-binary", "transformers", "--dest", str(folder), f"transformers=={version}"),
    )
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        told = [line.strip() for line in done.stderr.splitlines() if line.strip().startswith("ERROR")]
        raise SuiteError(
            f"transformers {version}: pip could not download its source distribution: {'; '.join(told[:3])}",
            "check that a package index can be reached; it is needed once, the archive is kept",
        )


def unpack_tests(archive: Path, target: Path) -> list[str]:
    """Write the modules under the archive's tests/ folder into `target`; return their paths in it, sorted.

    Raises SuiteError where the archive has none.
    """
    paths = []
    with tarfile.open(archive) as opened:
        for member in opened:
            _, _, inner = member.name.partition("/")
            path = inner.removeprefix("tests/")
            if path == inner or not path.endswith(".py") or {"", ".."} & set(path.split("/")):
                continue
            if member.isfile() and (content := opened.extractfile(member)) is not None:
                (target / path).parent.mkdir(parents=True, exist_ok=True)
                (target / path).write_bytes(content.read())
                paths.append(path)
    if not paths:
        raise SuiteError(f"{archive}: holds no tests", "install a release of transformers whose sdist has them")
    return sorted(paths)
