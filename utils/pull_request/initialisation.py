"""`_init_weights` of an abstract model, written out without what its first conversion shows to be dead."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from facts.values import base_name
from syntax.edits import Edit
from syntax.modules import Module
from syntax.queries import bound_names, dotted, methods, names_in
from syntax.statements import (
    above,
    edited,
    imported,
    members,
    members_past_super,
    replaced,
    text_of,
    text_of_members,
    with_changes,
    without,
)

from pull_request.reachable import INIT
from pull_request.values import kind_in


PAST = f"PreTrainedModel.{INIT}"  # past the base's own, which asks for modules that are not there
PRE_TRAINED = "from ...modeling_utils import PreTrainedModel"


def initialised(modular: Module, modeling: Module, here: ast.ClassDef, dead: set[str]) -> list[Edit]:
    """The edits that write out the method of an abstract model, where the one that it has asks for dead classes.

    Args:
        modular: the modular file.
        modeling: what was made of it.
        here: the class as the modular file has it; the one that came of it has the same name in `modeling`.
        dead: the classes that no model is made of.
    """
    owner = modeling.classes[here.name]
    made, old = modeling.own_method(owner, INIT), modular.own_method(here, INIT)
    if made is None or old is None or not dead & names_in(made):
        return []
    text = without_unused(without_branches(text_of(modeling, made) + "\n", dead))
    text = members_past_super(text, INIT, "PreTrainedModel")
    needs = _needs(text, modular, modeling)
    if needs is None:
        return []
    stubs = [above(here, f"class {name}({base}):\n    pass\n\n") for name, base in sorted(needs.classes.items())]
    wanted = [*needs.imports, *([PRE_TRAINED] if PAST in text else [])]
    return [*reversed(stubs), replaced(old, text.removesuffix("\n")), *imported(modular, wanted)]


def without_branches(text: str, dead: set[str]) -> str:
    """A method without its branches for modules of dead classes. A dead class among live ones leaves their tuple."""
    module = members(text)
    return text_of_members(edited(module, _trimmed(module, module.tree.body, dead)))


def without_unused(text: str) -> str:
    """A method without assignments to names that it never reads, and branches of nothing else."""
    module = members(text)
    nodes = list(ast.walk(module.tree))
    read = {each.id for each in nodes if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}
    (owner,) = module.classes.values()
    (method,) = methods(owner)
    return text_of_members(edited(module, [without(module, each) for each in method.body if _is_idle(each, read)]))


def _is_idle(statement: ast.stmt, read: set[str]) -> bool:
    if isinstance(statement, ast.If):
        return all(_is_idle(each, read) for each in [*statement.body, *statement.orelse])
    names = statement.targets if isinstance(statement, ast.Assign) else [None]
    return all(isinstance(each, ast.Name) and each.id not in read for each in names)


def _trimmed(module: Module, body: Sequence[ast.stmt], dead: set[str]) -> Iterator[Edit]:
    """The edits of all chains of branches in some statements."""
    for statement in body:
        if isinstance(statement, ast.If):
            yield from _chain(module, statement, dead)
            continue
        for name in ("body", "orelse", "finalbody"):
            yield from _trimmed(module, getattr(statement, name, []), dead)


def _chain(module: Module, start: ast.If, dead: set[str]) -> Iterator[Edit]:
    """The edits of `if ...: ... elif ...: ... else: ...`.

    `else` is for all other modules: what stands above it says which ones it is not for, so that one branch stays.
    """
    branches, otherwise = _branches(module, start)
    kept = [each for each in branches if not (kinds := _kinds(each.test)) or kinds - dead]
    if not kept and not otherwise:
        yield without(module, start)
        return
    kept = kept or branches[-1:]
    opening = branches.index(kept[0])
    if opening:
        yield Edit(start.lineno - 1, kept[0].lineno - 1, ())
    for each in branches[opening + 1 :]:
        if each not in kept:
            yield Edit(each.lineno - 1, each.body[-1].end_lineno or each.lineno, ())
    for each in kept:
        yield from _headed(module, each, _without_dead(each.test, dead), opens=each is kept[0] and opening > 0)
        yield from _trimmed(module, each.body, dead)
    yield from _trimmed(module, otherwise, dead)


def _branches(module: Module, start: ast.If) -> tuple[list[ast.If], list[ast.stmt]]:
    """`if` and every `elif` of a chain, and what stands in its `else`."""
    found = [start]
    while True:
        rest = found[-1].orelse
        match rest:
            case [ast.If() as other] if module.lines[other.lineno - 1].lstrip().startswith("elif"):
                found.append(other)
            case _:
                return found, rest


def _headed(module: Module, branch: ast.If, changes: Mapping[ast.expr, str], opens: bool) -> Iterator[Edit]:
    """The edit of the head of a branch: with other kinds in it, and `if` instead of `elif` where it opens its chain."""
    if changes or opens:
        edit = with_changes(module, branch.lineno - 1, branch.test.end_lineno or branch.lineno, changes)
        first, *others = edit.lines
        indent = first[: len(first) - len(first.lstrip())]
        yield replace(edit, lines=(indent + first.lstrip().removeprefix("el"), *others)) if opens else edit


def _asked(test: ast.expr) -> ast.expr | None:
    """The kinds that `isinstance(module, ...)` asks for, alone or first of several conditions."""
    match test:
        case ast.BoolOp(op=ast.And(), values=[first, *_]):
            return _asked(first)
        case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id="module"), kinds]):
            return kinds
    return None


def _kinds(test: ast.expr) -> set[str]:
    """The classes that a test asks for."""
    asked = _asked(test)
    return {dotted(each) for each in (asked.elts if isinstance(asked, ast.Tuple) else [asked])} - {""}


def _without_dead(test: ast.expr, dead: set[str]) -> dict[ast.expr, str]:
    """The kinds that a test asks for, if some of them are dead and others are not, without the dead."""
    asked, kinds = _asked(test), _kinds(test)
    kept = sorted(kinds - dead)
    if asked is None or not kept or kinds == set(kept):
        return {}
    return {asked: kept[0] if len(kept) == 1 else f"({', '.join(kept)})"}


@dataclass(frozen=True, slots=True)
class _Needs:
    """What a method names that the modular file lacks: import statements, and classes by their bases."""

    imports: tuple[str, ...]
    classes: dict[str, str]


def _needs(method: str, modular: Module, modeling: Module) -> _Needs | None:
    """None where the modeling file defines something that no import brings."""
    known = {name for node in modular.tree.body for name in bound_names(node)}
    wanted = names_in(members(method).tree) - known
    parent = next((node for node in modular.tree.body if _imports_model(node)), None)
    imports: list[str] = []
    classes: dict[str, str] = {}
    for node in modeling.tree.body:
        for name in wanted & set(bound_names(node)):
            if isinstance(node, ast.ImportFrom):
                imports.append(f"from {'.' * node.level}{node.module or ''} import {name}")
            elif isinstance(node, ast.Import):
                imports.append(modeling.text(node))
            elif isinstance(node, ast.ClassDef) and isinstance(parent, ast.ImportFrom):
                classes[name] = base_name(name)
                imports.append(f"from {'.' * parent.level}{parent.module} import {base_name(name)}")
            else:
                return None
    return _Needs(tuple(imports), classes)


def _imports_model(node: ast.stmt) -> bool:
    """Whether a statement imports the abstract model of the base."""
    if not isinstance(node, ast.ImportFrom) or kind_in((node.module or "").rpartition(".")[2].partition("_")[2]):
        return False
    return node.level == 2 and any(alias.name.endswith("PreTrainedModel") for alias in node.names)
