"""Texts through ruff: `check --fix`, then `format`, many files at a time."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from ruff.__main__ import find_ruff_bin

from building.library import shown


SYNTAX = "invalid-syntax"
_TOLD = {"F821", "F822", SYNTAX}  # what is left after fixing and not a matter of taste
# Nothing but the given configuration may decide: no cache, no exclusions, no settings from the surroundings.
_OPTIONS = ("--no-cache", "--quiet", "--no-respect-gitignore", "--no-force-exclude")


@dataclass(frozen=True, slots=True)
class RuffFinding:
    """A defect that ruff reports and cannot fix, with the line of the text that holds it."""

    code: str  # "F821", "invalid-syntax"
    message: str
    line: str


@dataclass(frozen=True, slots=True)
class Styled:
    """Formatted texts and what is wrong with them, by the paths they were given under.

    A text with a syntax error is in `findings` alone.
    """

    texts: Mapping[str, str]
    findings: Mapping[str, tuple[RuffFinding, ...]]


def style(files: Mapping[str, str], config: Path, scratch: str | None = None) -> Styled:
    """Format texts under `config`, as if each lay at its path in a repository.

    Paths are relative ("src/transformers/models/llama/modeling_llama.py"); the configuration's own paths are matched
    with them, and what lies around the temporary folder has no influence. `scratch` is where that folder is made.
    Raises ConversionError (`style-failed`) when ruff cannot run.
    """
    with TemporaryDirectory(dir=scratch, prefix="styled-") as folder:
        for path, text in files.items():
            _write(os.path.join(folder, path), text)
        findings = _check(folder, sorted(files), config)
        broken = {path for path, found in findings.items() if any(one.code == SYNTAX for one in found)}
        whole = [path for path in sorted(files) if path not in broken]
        if whole:
            _run(("format", *_OPTIONS, "--config", str(config), *whole), folder, config, (0,))
        return Styled({path: _read(os.path.join(folder, path)) for path in whole}, findings)


def _check(folder: str, paths: Sequence[str], config: Path) -> dict[str, tuple[RuffFinding, ...]]:
    """Fix what can be fixed, in place; return what has to be told, by path."""
    command = ("check", "--fix", "--output-format", "json", *_OPTIONS, "--config", str(config), *paths)
    told: dict[str, list[RuffFinding]] = {}
    for item in json.loads(_run(command, folder, config, (0, 1)) or "[]"):
        if item["code"] in _TOLD:
            path = os.path.relpath(item["filename"], os.path.realpath(folder)).replace(os.sep, "/")
            lines = _read(os.path.join(folder, path)).split("\n")
            line = lines[min(item["location"]["row"], len(lines)) - 1].strip()
            told.setdefault(path, []).append(RuffFinding(item["code"], item["message"], line))
    return {path: tuple(found) for path, found in told.items()}


def _run(arguments: Iterable[str], folder: str, config: Path, accepted: Sequence[int]) -> str:
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("RUFF_")}
    try:
        done = subprocess.run(
            (find_ruff_bin(), *arguments),
            cwd=folder,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    except OSError as error:
        raise _failed(config, str(error)) from None
    if done.returncode not in accepted:
        lines = [line.strip() for line in done.stderr.replace(folder + os.sep, "").splitlines() if line.strip()]
        raise _failed(config, "; ".join(lines[:6]) or f"ruff ended with {done.returncode}")
    return done.stdout


def _failed(config: Path, message: str) -> ConversionError:
    fix = "correct the ruff configuration, or reinstall ruff"
    return ConversionError(Diagnostic("style-failed", shown(config), 1, 1, message, fix))


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def _read(path: str) -> str:
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()
