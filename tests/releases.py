"""Another release of transformers, made up: the installed one with some texts changed, linked where nothing changes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from building.workspace import find_transformers


ROOT = Path(__file__).resolve().parents[1]
VERSION = "9.9.9"


def make_release(folder: Path, edits: dict[str, tuple[str, str]]) -> Path:
    """A transformers package in `folder`/transformers whose files, named from the package, have one text replaced."""
    installed, package = find_transformers(), folder / "transformers"
    version = next(
        line for line in (installed / "__init__.py").read_text().splitlines() if line.startswith("__version__")
    )
    _copy(installed, package, {Path("__init__.py"): (version, f'__version__ = "{VERSION}"')})
    for name, edit in edits.items():
        _edit(package, installed, Path(name), edit)
    return package


def make_project(folder: Path) -> Path:
    """A copy of this project's deltas of the four families, without anything generated."""
    (folder / "modular").mkdir(parents=True)
    for model in ("llama", "qwen3", "gemma3", "gpt_oss"):
        shutil.copy(ROOT / f"modular/modular_quality_gate_{model}.py", folder / "modular")
    shutil.copytree(ROOT / "modular" / "gates", folder / "modular" / "gates")
    shutil.copytree(ROOT / "templates", folder / "templates")
    return folder


def _copy(installed: Path, package: Path, edits: dict[Path, tuple[str, str]]) -> None:
    package.mkdir(parents=True)
    for entry in sorted(installed.iterdir()):
        if entry.name != "__pycache__":
            (package / entry.name).symlink_to(entry)
    for name, edit in edits.items():
        _edit(package, installed, name, edit)


def _edit(package: Path, installed: Path, name: Path, edit: tuple[str, str]) -> None:
    """Replace the one place of a text in a file; the folders above it become real, so that nothing installed changes."""
    for folder in reversed(name.parents[:-1]):
        if (package / folder).is_symlink():
            (package / folder).unlink()
            _copy(installed / folder, package / folder, {})
    path = package / name
    text = path.read_text()
    assert text.count(edit[0]) == 1, f"{name} holds the text to change {text.count(edit[0])} times"
    os.unlink(path)
    path.write_text(text.replace(*edit))
