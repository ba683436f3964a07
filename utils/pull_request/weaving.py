"""A model of this project -> the modular file that a pull request brings, woven from the bases of its repository."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from building.casing import read_casing
from building.library import Library
from diagnostics.values import Diagnostic
from facts.peculiar import peculiarities
from syntax.edits import Edit
from syntax.modules import Module, module_of
from syntax.queries import behind_docstring, calls_above, classes, dotted, form, method, methods
from syntax.source import Source
from syntax.statements import class_of, edited, past_super
from syntax.trees import tree_of
from weave.form import Form
from weave.stage import roots_of
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


_ABOVE = "__post_init__"
_CONFIG = "PreTrainedConfig"


def _called_by_name(text: str, tree: Tree) -> str:
    """`super().__post_init__()` of a configuration whose base has none in this repository, by the class that has it.

    Transformers' own converter ends where a method that is called above is not the inherited class's own.
    """
    module = module_of(text)
    above, edits = _configs(module, tree), list[Edit]()
    for node in module.classes.values():
        parent, own = above.get(dotted(node.bases[0])) if node.bases else None, method(node, _ABOVE)
        if own is not None and parent is not None and method(parent, _ABOVE) is None:
            edits += past_super(module, own, _ABOVE, _CONFIG)
    return edited(module, edits).source.text


def _configs(module: Module, tree: Tree) -> dict[str, ast.ClassDef]:
    """Configurations that a modular file imports, as they are in the repository; those that stand on PreTrainedConfig alone."""
    found: dict[str, ast.ClassDef] = {}
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and node.level == 2 and node.module and "configuration_" in node.module:
            there = module_of(tree.read(f"{MODELS}/{node.module.replace('.', '/')}.py") or "")
            names = {one.asname or one.name: class_of(there, one.name) for one in node.names}
            found |= {name: each for name, each in names.items() if each and [*map(dotted, each.bases)] == [_CONFIG]}
    return found


def _loader(model: Model, tree: Tree) -> Loader:
    """Finds modules in the repository as it will be, and kinds of gate in the project."""
    library = Library({"transformers": tree.package, **roots_of(model.project)})

    def load(module: str) -> Source | None:
        path = f"{PACKAGE}/{module.removeprefix('transformers.').replace('.', '/')}.py"
        if module.startswith("transformers.") and path in tree.changed:
            return Source(path, module, tree.changed[path])
        return library.load(module)

    return load


def changed_parents(model: Model, tree: Tree, home: Tree) -> list[Diagnostic]:
    """Methods that the delta itself writes whole, and whose originals in `tree` are not those it was written against."""
    found = []
    for node, own in _methods(model.delta):
        parent = node.bases[0].attr if node.bases and isinstance(node.bases[0], ast.Attribute) else ""
        if not parent or calls_above(own):
            continue
        old, new = (_original(model, each, parent, own.name) for each in (home, tree))
        if old and old != new:
            message = f"`{parent}.{own.name}` is not what `{node.name}.{own.name}` was written against"
            fix = "compare the two and take over what changed"
            found.append(Diagnostic("parent-changed", model.path, own.lineno, 1, message, fix))
    return found


def _methods(text: str) -> Iterator[tuple[ast.ClassDef, ast.FunctionDef]]:
    for node in classes(tree_of(text)):
        yield from ((node, each) for each in methods(node))


def _original(model: Model, tree: Tree, parent: str, name: str) -> object:
    """What a method of the base does: its names and its body, without comments, layout, docstring and annotations.

    None where the base has no such method.
    """
    texts = (
        tree.read(f"{MODELS}/{model.base}/{kind}_{model.base}.py") or "" for kind in ("modeling", "configuration")
    )
    found = ((node, each) for text in texts for node, each in _methods(text))
    own = next((each for node, each in found if node.name == parent and each.name == name), None)
    if own is None:
        return None
    arguments = [each.arg for each in ast.walk(own.args) if isinstance(each, ast.arg)]
    return form([*arguments, *behind_docstring(own)])
