"""A model of this project -> the modular file that a pull request brings, woven from the bases of its repository."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from building.casing import read_casing
from building.library import Library
from diagnostics.values import Diagnostic
from facts.peculiar import peculiarities
from syntax.source import Source
from weave.form import Form
from weave.stage import gates_of
from weave.woven import weave

from converter.values import Loader
from pull_request.layout import MODELS
from pull_request.values import HOLDERS, PACKAGE, Model, Tree


def woven(model: Model, tree: Tree, year: int) -> str:
    """The text of the modular file, not yet formatted: what its imports leave unused is ruff's to remove.

    Raises ConversionError: the delta does not fit its base in this tree, or is not one that declares a gate.
    """
    delta = Source(model.path, f"modular_{model.name}", model.delta)
    copyright = f"{year} {HOLDERS}. All rights reserved."
    of_text = peculiarities(model.base).text_checkpoint
    casing = read_casing(tree.package)
    text = weave(delta, model.name, _loader(model, tree), casing, Form.UPSTREAM, copyright, of_text).source.text
    return _called_by_name(text, tree)


_ABOVE = re.compile(r"super\(\)\.(__post_init__)\(")
_CONFIG = "PreTrainedConfig"


def _called_by_name(text: str, tree: Tree) -> str:
    """`super().__post_init__()` of a configuration whose base has none in this repository, by the class that has it.

    Transformers' own converter ends where a method that is called above is not the inherited class's own.
    """
    module = ast.parse(text)
    above = _configs(module, tree)
    lines = text.split("\n")
    for node, method in _methods(module):
        parent = above.get(ast.unparse(node.bases[0])) if node.bases else None
        if method.name != "__post_init__" or parent is None or _has(parent, method.name):
            continue
        for number in range(method.lineno - 1, method.end_lineno or method.lineno):
            lines[number] = _ABOVE.sub(rf"{_CONFIG}.\1(self, ", lines[number]).replace("(self, )", "(self)")
    return "\n".join(lines)


def _configs(module: ast.Module, tree: Tree) -> dict[str, ast.ClassDef]:
    """Configurations that a modular file imports, as they are in the repository; those that stand on PreTrainedConfig alone."""
    found = {}
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and node.level == 2 and "configuration_" in (node.module or ""):
            source = ast.parse(tree.read(f"{MODELS}/{node.module.replace('.', '/')}.py") or "")
            there = {each.name: each for each in source.body if isinstance(each, ast.ClassDef)}
            names = {one.asname or one.name: there.get(one.name) for one in node.names}
            found |= {
                name: each for name, each in names.items() if each and [*map(ast.unparse, each.bases)] == [_CONFIG]
            }
    return found


def _has(node: ast.ClassDef, name: str) -> bool:
    return any(isinstance(each, ast.FunctionDef) and each.name == name for each in node.body)


def _loader(model: Model, tree: Tree) -> Loader:
    """Finds modules in the repository as it will be, and kinds of gate in the project."""
    library = Library({"transformers": tree.package, "gates": gates_of(model.project)})

    def load(module: str) -> Source | None:
        path = f"{PACKAGE}/{module.removeprefix('transformers.').replace('.', '/')}.py"
        if module.startswith("transformers.") and path in tree.changed:
            return Source(path, module, tree.changed[path])
        return library.load(module)

    return load


def changed_parents(model: Model, tree: Tree, home: Tree) -> list[Diagnostic]:
    """Methods that the delta itself writes whole, and whose originals in `tree` are not those it was written against."""
    found = []
    for node, method in _methods(ast.parse(model.delta)):
        parent = node.bases[0].attr if node.bases and isinstance(node.bases[0], ast.Attribute) else ""
        if not parent or "super()" in ast.unparse(method):
            continue
        old, new = (_original(model, each, parent, method.name) for each in (home, tree))
        if old and old != new:
            message = f"`{parent}.{method.name}` is not what `{node.name}.{method.name}` was written against"
            fix = "compare the two and take over what changed"
            found.append(Diagnostic("parent-changed", model.path, method.lineno, 1, message, fix))
    return found


def _methods(tree: ast.Module) -> Iterator[tuple[ast.ClassDef, ast.FunctionDef]]:
    for node in tree.body:
        for each in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(node, ast.ClassDef) and isinstance(each, ast.FunctionDef):
                yield node, each


def _original(model: Model, tree: Tree, parent: str, name: str) -> str:
    """What a method of the base does: its names and its body, without comments, layout, docstring and annotations."""
    texts = (
        tree.read(f"{MODELS}/{model.base}/{kind}_{model.base}.py") or "" for kind in ("modeling", "configuration")
    )
    methods = ((node, each) for text in texts for node, each in _methods(ast.parse(text)))
    method = next((each for node, each in methods if node.name == parent and each.name == name), None)
    if method is None:
        return ""
    body = method.body[1:] if ast.get_docstring(method) else method.body
    arguments = [each.arg for each in ast.walk(method.args) if isinstance(each, ast.arg)]
    return "\n".join([*arguments, *map(ast.unparse, body)])
