"""Where the bases of an export are: a checkout, a tree, or the installed package."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from building.tools import SHIPPED_CONFIG, find_ruff_config
from building.workspace import find_transformers, find_tree, read_release

from pull_request.values import PACKAGE, ExportSetting, Tree


def installed_tree() -> Tree:
    """The installed transformers. Raises ConversionError (`no-transformers`)."""
    package = find_transformers()
    return Tree(package, None, read_release(package))


def tree_at(folder: Path) -> Tree:
    """The repository at or around a folder. Raises ConversionError (`not-a-tree`)."""
    package = find_tree(folder)
    inside = package.parent.parent
    root = inside if package == inside / PACKAGE else None
    return Tree(package, root, read_release(package))


def folder_over(folder: Path, base: Tree) -> Tree:
    """An exported folder, on top of the repository that it is for."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix in (".py", ".md", ".yml"))
    own = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in files}
    return base.with_changes({path: text for path, text in own.items() if "/" in path})


def setting_for(tree: Tree, today: date) -> ExportSetting:
    """The table of the tree itself where it has one."""
    config = find_ruff_config(tree.package.resolve()) if tree.root else SHIPPED_CONFIG
    return ExportSetting(today, config, installed_tree())
