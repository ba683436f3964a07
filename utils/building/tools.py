"""The tools that have a say in the bytes: ruff and its table, libcst, Python, and the converter's own code."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic

from building.library import digest, installed, shown


RUFF_VERSION = "0.14.10"  # what transformers formats with; another version gives other bytes
SHIPPED_CONFIG = Path(__file__).with_name("ruff.toml")
_UTILS = Path(__file__).parents[1]
_CODE = ("building", "converter", "syntax")  # packages whose code decides what a modular file becomes
_LIBRARIES = {"site-packages", "dist-packages"}
_TABLE = re.compile(r"^\[tool\.ruff\b", re.MULTILINE)
_PROJECT = re.compile(r"^\[project\]\s*$(.*?)(?=^\[|\Z)", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"""^name\s*=\s*["']([^"']+)["']""", re.MULTILINE)


def version(package: str) -> str | None:
    """The version of an installed package by the name of its metadata folder: a listing, not an import."""
    folder = installed(package)
    if folder is None:
        return None
    pattern = re.compile(rf"{re.escape(package)}-([^-]+)\.dist-info")
    found = (pattern.fullmatch(name) for name in sorted(os.listdir(os.path.dirname(folder))))
    return next((match[1] for match in found if match), None)


def check_ruff() -> None:
    """Raise ConversionError (`wrong-ruff`) unless the one ruff that gives the right bytes is installed."""
    found = version("ruff")
    if found != RUFF_VERSION:
        message = "ruff is not installed" if found is None else f"ruff is {found}, which formats differently"
        raise _refuse("wrong-ruff", sys.executable, message, f"pip install ruff=={RUFF_VERSION}")


def find_ruff_config(tree: Path) -> Path:
    """The ruff configuration of a transformers tree: the pyproject.toml above it, else the table we ship.

    The nearest pyproject.toml with a [tool.ruff] table counts, unless it says that it is another project's; and none
    counts above a site-packages folder, since what lies there is not the source of what is installed.
    """
    for folder in (tree, *tree.parents):
        if folder.name in _LIBRARIES:
            break
        text = _read(folder / "pyproject.toml")
        project = _PROJECT.search(text)
        name = _NAME.search(project[1]) if project else None
        if name and name[1] != "transformers":
            break
        if _TABLE.search(text):
            return folder / "pyproject.toml"
    return SHIPPED_CONFIG


def check_ruff_config(path: Path) -> Path:
    """The path itself. Raises ConversionError (`no-such-file`) when it is no file that ruff reads."""
    if not path.is_file() or path.suffix != ".toml":
        fix = "name a ruff.toml, or a pyproject.toml with a [tool.ruff] table"
        raise _refuse("no-such-file", shown(path), "this is not a ruff configuration", fix)
    return path.resolve()


def fingerprint(casing: Mapping[str, str], ruff_config: Path, code: Iterable[Path] = ()) -> str:
    """The digest of everything but modules that decides what a modular file becomes.

    `code` are files, and folders of Python files, besides the converter's own packages.
    """
    parts = [sys.version, f"libcst {version('libcst')}", f"ruff {version('ruff')}", repr(list(casing.items()))]
    own = (path for name in _CODE for path in sorted((_UTILS / name).rglob("*.py")))
    parts += [f"{path.relative_to(_UTILS)} {digest(path.read_bytes())}" for path in own]
    others = [path for each in code for path in (sorted(each.rglob("*.py")) if each.is_dir() else [each])]
    parts += [f"{path.name} {digest(path.read_bytes())}" for path in others if path.is_file()]
    parts.append(digest(ruff_config.read_bytes()))
    return digest("\n".join(parts).encode())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _refuse(code: str, path: str, message: str, fix: str) -> ConversionError:
    return ConversionError(Diagnostic(code, path, 1, 1, message, fix))
