"""Other releases of transformers: a folder that holds one, or a version, fetched with pip and kept in the cache."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from files.folders import filled

from building.cache import OVERRIDE, default_folder
from building.library import is_release, shown


# Where a package lies in a checkout, in an unpacked wheel or site-packages, and in an environment.
_PLACES = ("", "src/transformers", "transformers", "lib/python*/site-packages/transformers")
_MINUTES = 10


def find_release(wanted: str) -> Path:
    """The transformers package that `--against` names, by a version or a folder.

    Raises ConversionError: `no-release` where the folder holds none, `cannot-fetch` where a version cannot be had.
    """
    if is_release(wanted):
        return _fetched(wanted)
    folder = Path(wanted).resolve()
    for place in _PLACES:
        for found in sorted(folder.glob(place)) if place else [folder]:
            if (found / "models").is_dir() and (found / "__init__.py").is_file():
                return found
    fix = "name a version (5.17.0), a checkout, an unpacked wheel or an environment"
    raise _refuse("no-release", shown(folder), "there is no transformers in this folder", fix)


def _fetched(version: str) -> Path:
    """A release's Python files, from the cache or else from the package index that pip uses."""
    cache = default_folder()
    if cache is None:
        fix = f"set {OVERRIDE} to a folder, or name a folder that holds the release"
        raise _refuse("cannot-fetch", version, "there is no place to keep a release in", fix)
    folder = cache / "releases" / f"transformers-{version}"
    if not folder.is_dir():
        try:
            with filled(folder) as unpacked, TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
                _unpack(_download(version, Path(scratch)), unpacked)
        except (OSError, zipfile.BadZipFile) as error:
            if not folder.is_dir():  # another run may have been quicker
                raise _refuse("cannot-fetch", version, str(error), f"make {shown(folder.parent)} writable") from None
    return folder / "transformers"


def _download(version: str, scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(scratch), f"transformers=={version}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60 * _MINUTES
        )
        said = done.stderr.strip().splitlines()
    except subprocess.TimeoutExpired:
        said = [f"no answer within {_MINUTES} minutes"]
    wheel = next(iter(sorted(scratch.glob("transformers-*.whl"))), None)
    if wheel is None:
        reason = next((line for line in reversed(said) if "ERROR" in line), said[-1] if said else "pip said nothing")
        fix = "check the version and the package index, or name a folder that holds the release"
        raise _refuse("cannot-fetch", f"transformers=={version}", reason, fix)
    return wheel


def _unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith("transformers/") and name.endswith(".py")]
        archive.extractall(folder, names)


def _refuse(code: str, path: str, message: str, fix: str) -> ConversionError:
    return ConversionError(Diagnostic(code, path, 1, 1, message, fix))
