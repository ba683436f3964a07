"""What a release of transformers needs to be imported, and what of it is to be installed beside it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from building.library import digest, shown
from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from files.folders import filled
from packaging.requirements import InvalidRequirement, Requirement
from syntax.queries import value_of
from syntax.trees import statements_of


_TABLE, _CHECK = "dependency_versions_table.py", "dependency_versions_check.py"
_OTHERS = {"python"}  # of what is checked, no package
_MINUTES = 10


def unmet(package: Path) -> tuple[str, ...]:
    """The requirements of a transformers package, of those it checks when it is imported, that this Python does not meet."""
    known: Mapping[str, str] = _literal(package / _TABLE, "deps") or {}
    wanted: Sequence[str] = _literal(package / _CHECK, "pkgs_to_check_at_runtime") or ()
    # What is not there at all, transformers does without, or says so by itself.
    return tuple(
        sorted(known[name] for name in wanted if name in known and name not in _OTHERS and _is_older(known[name]))
    )


def _literal(path: Path, name: str) -> Any:
    """The value that a file gives to a name, where that is plain; None where it is not."""
    try:
        found = value_of(statements_of(path.read_text(encoding="utf-8")), name)
        return ast.literal_eval(found) if found is not None else None
    except (OSError, ValueError, SyntaxError):
        return None


def _is_older(requirement: str) -> bool:
    try:
        wanted = Requirement(requirement)
        return not wanted.specifier.contains(version(wanted.name), prereleases=True)
    except (InvalidRequirement, PackageNotFoundError):
        return False


def install(requirements: Iterable[str], folder: Path) -> Path:
    """A folder below `folder` that holds packages which meet requirements; pip is asked where it is not there yet.

    Raises:
        ConversionError (`cannot-fetch`): they cannot be had, or not be kept.
    """
    wanted = list(requirements)
    target = folder / f"needs-{digest(repr((wanted, sys.version)).encode())[:16]}"
    if not target.is_dir():
        try:
            with filled(target) as installed:
                _pip(wanted, installed)
        except OSError as error:
            if not target.is_dir():  # another run may have been quicker
                raise _refuse(wanted, str(error), f"make {shown(folder)} writable") from None
    return target


def _pip(wanted: list[str], target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--only-binary", ":all:", "--target", str(target), *wanted]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60 * _MINUTES
        )
    except subprocess.TimeoutExpired:
        raise _refuse(wanted, f"no answer within {_MINUTES} minutes", "check the package index") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["pip said nothing"]
        reason = next((line for line in reversed(said) if "ERROR" in line), said[-1])
        raise _refuse(wanted, reason, "check the package index, or install them here")


def _refuse(wanted: list[str], reason: str, fix: str) -> ConversionError:
    return ConversionError(Diagnostic("cannot-fetch", ", ".join(wanted), 1, 1, reason, fix))
