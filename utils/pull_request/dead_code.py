"""A modular file again, without what its first conversion shows to be dead: text to text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from facts.text import method
from facts.values import base_name
from weave.imports import exported

from pull_request.reachable import INIT, SPLIT, dead_classes
from pull_request.spans import Span, drop, insert_above, statement_span, substitute, with_imports
from pull_request.values import kind_in


CALL, PAST = "super()._init_weights(module)", "PreTrainedModel._init_weights(self, module)"
PRE_TRAINED = "from ...modeling_utils import PreTrainedModel\n"


def settle(modular: str, modeling: str, configuration: str) -> str:
    """The modular file without what its first conversion shows to be dead; every configuration that is left is exported.

    Args:
        modular: as it was converted.
        modeling: the modeling file that came of it; `configuration`: the other one.
    """
    settled = settle_models(modular, modeling)
    return export_configs(settle_configs(settled, modeling, configuration))


def settle_models(modular: str, modeling: str) -> str:
    """The modular file whose models are initialised, and split among devices, by what they are made of.

    A text model of several parts inherits from their abstract model an `_init_weights` that asks for modules of the
    others, which drags these along, and a list of what is never split that names them. The method is written out
    without the branches of modules that no model has, the list without their names.

    Args:
        modular: as it was converted.
        modeling: the modeling file that came of it.
    """
    made = ast.parse(modeling)
    dead = dead_classes(made)
    owned = {node.name for node in _classes(ast.parse(modular))}
    for node in _classes(made):
        if node.name in owned and node.name.endswith("PreTrainedModel"):
            modular = _initialised(modular, modeling, node, dead)
            modular = _split(modular, made, node, dead)
    return _without_classes(modular, dead) if dead else modular


def _without_classes(modular: str, dead: set[str]) -> str:
    """Dead classes that the modular file defines itself, so that a test of their kind has something to name."""
    gone = [node for node in _classes(ast.parse(modular)) if node.name in dead]
    names = {name for node in ast.parse(modular).body if node not in gone for name in _used(node)}
    return drop(modular, [statement_span(modular, node) for node in gone if node.name not in names])


def _initialised(modular: str, modeling: str, owner: ast.ClassDef, dead: set[str]) -> str:
    made = method(owner, INIT)
    if made is None or not dead & _used(made):
        return modular
    text = "".join(modeling.splitlines(keepends=True)[_first_line(made) - 1 : made.end_lineno])
    text = without_unused(without_branches(text, dead)).replace(CALL, PAST)
    needs = _needs(text, modular, ast.parse(modeling))
    here = next(node for node in _classes(ast.parse(modular)) if node.name == owner.name)
    old = method(here, INIT)
    if old is None or needs is None:
        return modular
    modular = substitute(modular, Span(_first_line(old), old.end_lineno or old.lineno), text)
    above = here.lineno
    for name, base in sorted(needs.classes.items()):
        modular = insert_above(modular, above, f"class {name}({base}):\n    pass\n\n")
    return with_imports(modular, {PRE_TRAINED, *needs.imports} if PAST in text else set(needs.imports))


def without_branches(text: str, dead: set[str]) -> str:
    """A method without its branches for modules of dead classes. A dead class among live ones leaves their tuple."""
    while True:
        indented = "class _:\n" + text
        branch = next((each for each in _branches(ast.parse(indented)) if _kinds(each.test) & dead), None)
        if branch is None:
            return text
        shorter = _without(indented, branch, dead)
        if shorter == indented:
            return text
        text = shorter.removeprefix("class _:\n")


def without_unused(text: str) -> str:
    """A method without assignments to names that it never reads, and branches of nothing else."""
    indented = "class _:\n" + text
    nodes = list(ast.walk(ast.parse(indented)))
    read = {each.id for each in nodes if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}
    (method,) = [each for each in nodes if isinstance(each, ast.FunctionDef)]
    gone = [statement_span(indented, each) for each in method.body if _is_idle(each, read)]
    return drop(indented, gone).removeprefix("class _:\n")


def _is_idle(statement: ast.stmt, read: set[str]) -> bool:
    if isinstance(statement, ast.If):
        return all(_is_idle(each, read) for each in [*statement.body, *statement.orelse])
    names = statement.targets if isinstance(statement, ast.Assign) else [None]
    return all(isinstance(each, ast.Name) and each.id not in read for each in names)


def _without(text: str, branch: ast.If, dead: set[str]) -> str:
    lines = text.splitlines(keepends=True)
    head = lines[branch.lineno - 1]
    if _kinds(branch.test) - dead:
        kept = sorted(_kinds(branch.test) - dead)
        said = kept[0] if len(kept) == 1 else f"({', '.join(kept)})"
        new = re.sub(r"isinstance\(module, \(.*?\)\)", f"isinstance(module, {said})", head)
        return substitute(text, Span(branch.lineno, branch.lineno), new)
    last = branch.body[-1].end_lineno or branch.lineno
    rest = branch.orelse
    if not rest and not head.lstrip().startswith("elif"):
        return drop(text, [statement_span(text, branch)])
    if head.lstrip().startswith("elif") or not rest:
        return drop(text, [Span(branch.lineno, last)])
    if isinstance(rest[0], ast.If) and lines[rest[0].lineno - 1].lstrip().startswith("elif"):
        text = substitute(
            text, Span(rest[0].lineno, rest[0].lineno), lines[rest[0].lineno - 1].replace("elif", "if", 1)
        )
        return drop(text, [Span(branch.lineno, rest[0].lineno - 1)])
    return text  # `else` is for all other modules: the branch says which ones it is not for


def _branches(tree: ast.Module) -> Iterator[ast.If]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.If))


def _kinds(test: ast.expr) -> set[str]:
    """The classes that a test of `isinstance(module, ...)` asks for, alone or first of several conditions."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        test = test.values[0]
    if (
        not isinstance(test, ast.Call)
        or ast.unparse(test.func) != "isinstance"
        or ast.unparse(test.args[0]) != "module"
    ):
        return set()
    kinds = test.args[1].elts if isinstance(test.args[1], ast.Tuple) else [test.args[1]]
    return {ast.unparse(each) for each in kinds}


@dataclass(frozen=True, slots=True)
class _Needs:
    """What a method names that the modular file lacks: import statements, and classes by their bases."""

    imports: tuple[str, ...]
    classes: dict[str, str]


def _needs(method: str, modular: str, made: ast.Module) -> _Needs | None:
    """None where the modeling file defines something that no import brings."""
    known = {name for node in ast.parse(modular).body for name in _bound(node)}
    wanted = _used(ast.parse("class _:\n" + method)) - known
    parent = next((node for node in ast.parse(modular).body if _imports_model(node)), None)
    imports: list[str] = []
    classes: dict[str, str] = {}
    for node in made.body:
        for name in wanted & set(_bound(node)):
            if isinstance(node, ast.ImportFrom):
                imports.append(f"from {'.' * node.level}{node.module or ''} import {name}\n")
            elif isinstance(node, ast.Import):
                imports.append(f"{ast.unparse(node)}\n")
            elif isinstance(node, ast.ClassDef) and isinstance(parent, ast.ImportFrom):
                classes[name] = base_name(name)
                imports.append(f"from {'.' * parent.level}{parent.module} import {base_name(name)}\n")
            else:
                return None
    return _Needs(tuple(imports), classes)


def _imports_model(node: ast.stmt) -> bool:
    """Whether a statement imports the abstract model of the base."""
    if not isinstance(node, ast.ImportFrom) or kind_in((node.module or "").rpartition(".")[2].partition("_")[2]):
        return False
    return node.level == 2 and any(alias.name.endswith("PreTrainedModel") for alias in node.names)


def _split(modular: str, made: ast.Module, owner: ast.ClassDef, dead: set[str]) -> str:
    """The class of the modular file with a list of its own where the inherited one names what is not there."""
    there = {name for node in made.body for name in _bound(node)} - dead
    for each in owner.body:
        if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == SPLIT and isinstance(each.value, ast.List):
            names = ast.literal_eval(each.value)
            kept = [name for name in names if name in there]
            here = next(node for node in _classes(ast.parse(modular)) if node.name == owner.name)
            own = any(ast.unparse(one).startswith(f"{SPLIT} = ") for one in here.body)
            if kept != names and not own:
                listed = ", ".join(f'"{name}"' for name in kept)
                return insert_above(modular, _first_line(here.body[0]), f"    {SPLIT} = [{listed}]")
    return modular


def _bound(node: ast.stmt) -> list[str]:
    """The names that a statement of a file binds."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    return [ast.unparse(each) for each in node.targets] if isinstance(node, ast.Assign) else []


def _used(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _classes(tree: ast.Module) -> Iterable[ast.ClassDef]:
    return [node for node in tree.body if isinstance(node, ast.ClassDef)]


def _first_line(node: ast.stmt) -> int:
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])


def settle_configs(modular: str, modeling: str, configuration: str) -> str:
    """The modular file without configurations of parts that have no model here, where no live class names one.

    The abstract model, whose configuration is that of all parts, gets the one that is exported.
    """
    tree = ast.parse(modular)
    named = [name for name in exported(tree) if name.endswith("Config")]
    shells = [node for node in _classes(tree) if node.name.endswith("Config") and node.name not in named]
    if not shells or len(named) != 1:
        return modular
    made = ast.parse(modeling)
    dead = dead_classes(made)
    parts = [each for node in made.body if getattr(node, "name", None) not in dead for each in _but_its_config(node)]
    parts += [node for node in _classes(ast.parse(configuration)) if node.name in named]
    needed = {name for each in parts for name in _used(each)}
    abstract = [node for node in _classes(tree) if node.name.endswith("PreTrainedModel")]
    if any(node.name in needed for node in shells) or not abstract:
        return modular
    modular = drop(modular, [statement_span(modular, node) for node in shells])
    for name in [node.name for node in abstract]:
        here = next(node for node in _classes(ast.parse(modular)) if node.name == name)
        own = [each for each in here.body if isinstance(each, ast.AnnAssign) and ast.unparse(each.target) == "config"]
        modular = drop(modular, [statement_span(modular, each) for each in own])
        modular = insert_above(modular, _first_line(here.body[0]), f"    config: {named[0]}\n")
    return modular


def _but_its_config(node: ast.stmt) -> list[ast.AST]:
    """The parts of a definition, without the annotation that says which configuration an abstract model has."""
    if not isinstance(node, ast.ClassDef) or not node.name.endswith("PreTrainedModel"):
        return [node] if not isinstance(node, ast.Assign) else []
    return [each for each in node.body if not ast.unparse(each).startswith("config: ")]


def export_configs(modular: str) -> str:
    """`__all__` names all configurations: the repository's table has one of each model type, exported or not."""
    tree = ast.parse(modular)
    listed = exported(tree)
    added = [node.name for node in _classes(tree) if node.name.endswith("Config") and node.name not in listed]
    if not added:
        return modular
    statement = tree.body[-1]
    lines = "".join(f'    "{name}",\n' for name in [*added, *listed])
    return substitute(modular, Span(statement.lineno, statement.end_lineno or 1), f"__all__ = [\n{lines}]\n")
