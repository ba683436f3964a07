"""A modular file -> the files that the reference makes of it in a given repository. Reads the disk, writes nothing."""

from __future__ import annotations

import re
from pathlib import Path

from building.casing import read_casing
from building.expand import Expander
from building.jobs import Job, Task
from building.library import Library
from building.style import style
from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from syntax.queries import classes, string, value_of
from syntax.trees import tree_of

from converter.convert import convert
from converter.values import Layout, Target
from pull_request.layout import modular_path
from pull_request.values import PACKAGE, ExportSetting, Tree


_PARENTHESES = re.compile(r"^(from \S+ import )\(\n((?:    \w+,\n)+)\)$", re.MULTILINE)
_WIDTH = 119  # of transformers' lines


def _in_a_line(found: re.Match[str]) -> str:
    """An import that was longer before names of it went: ruff leaves it in parentheses, for its last comma."""
    line = found[1] + ", ".join(found[2].replace(",", "").split())
    return line if len(line) <= _WIDTH else found[0]


def formatted(path: str, text: str, setting: ExportSetting) -> str:
    """A text as ruff fixes and formats it under the repository's table. Raises ConversionError for a syntax error."""
    styled = style({path: text}, setting.ruff_config)
    if path not in styled.texts:
        found = styled.findings[path][0]
        raise ConversionError(Diagnostic(found.code, path, 1, 1, found.message, f"correct `{found.line}`"))
    return _PARENTHESES.sub(_in_a_line, styled.texts[path])


def generate(
    name: str, modular: str, tree: Tree, setting: ExportSetting, strict: bool
) -> tuple[dict[str, str], tuple[Diagnostic, ...]]:
    """The generated files by path, and warnings.

    Args:
        name: of the model, "quality_gate_llama".
        tree: the repository that it is converted in.
        setting: the table of rules to format with.
        modular: the text of the model's modular file, relative imports and all.
        strict: refuse what the reference gets silently wrong, instead of doing the same with a warning.

    Raises:
        ConversionError: the modular file cannot be converted in this tree.
    """
    path = modular_path(name)
    job = _job(name, tree, path, strict)
    fresh = {_module(file): text for file, text in tree.changed.items() if file.startswith(f"{PACKAGE}/models/")}
    library = Library({"transformers": tree.package})
    expander = Expander(convert, library, read_casing(tree.package) | own_casing(modular), setting.ruff_config)
    outcome = expander.expand([Task(job, modular.encode(), fresh)])[0]
    if outcome.problems:
        raise ConversionError(*outcome.problems)
    folder = path.rpartition("/")[0]
    return {f"{folder}/{file}": text for file, text in sorted(outcome.texts.items())}, outcome.warnings


def own_casing(modular: str) -> dict[str, str]:
    """What the repository's table of configurations says once the model is in it: model type -> class prefix."""
    configs = [node for node in classes(tree_of(modular)) if node.name.endswith("Config")]
    types = {node.name.replace("Config", ""): string(value_of(node.body, "model_type")) for node in configs}
    return {model_type: prefix for prefix, model_type in types.items() if model_type is not None}


def _job(name: str, tree: Tree, path: str, strict: bool) -> Job:
    package = f"transformers.models.{name}"
    target = Target(name, Layout.TREE, path, tree.release, strict)
    return Job(name, Path(path), f"{package}.modular_{name}", package, Path(path).parent, target)


def _module(path: str) -> str:
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
