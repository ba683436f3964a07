"""A layer that holds one of several kinds of module under one name, of which its `else` runs the feed-forward ones.

if self.kind == "mamba":
    x = self.mixer(x, cache=cache)
else:
    x = self.mixer(x)
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TypeGuard

from syntax.modules import Module
from syntax.queries import assigned_calls, form, is_self, names_in, string
from weave.anchors import target_of
from weave.place import Place

from scaffold.name_rules import FEED_FORWARD_CLASS
from scaffold.sites.fit import Spot, fit, position
from scaffold.sites.syntax import part_of
from scaffold.sites.values import Found, NoPlace


@dataclass(frozen=True, slots=True)
class _Branch:
    statement: ast.Assign
    call: ast.Call
    kinds: tuple[ast.Compare, ...]  # the tests that lead past it


def find_branch(module: Module, layer: ast.ClassDef, names: frozenset[str]) -> Found | None:
    """The place in the branch of the feed-forward modules; None for layers that name theirs, or have no such branch.

    Raises NoPlace where there is a branch and nothing tells its call from the others.
    """
    forward = module.method(layer, "forward")
    branch = next(filter(None, map(_read, forward.body)), None) if forward and not names else None
    if forward is None or branch is None or not _may_be_feed_forward(module, layer, part_of(branch.call)):
        return None
    here = position(branch.statement)
    wanted = (Spot(here, ast.unparse(branch.call.args[0]), here, target_of(branch.statement) or ""),)
    for anchor in (ast.unparse(branch.call.func), ast.unparse(branch.call)):
        place = Place(anchor, anchor, when=_condition(branch))
        if _fits(forward, place, wanted):
            return Found({layer.name: place}, (branch.statement.lineno,))
    raise NoPlace(branch.statement.lineno, f"`{ast.unparse(branch.call)}` is called in another branch as well")


def _fits(forward: ast.FunctionDef, place: Place, wanted: tuple[Spot, ...]) -> bool:
    try:
        return fit(forward, place) == wanted
    except NoPlace:
        return False


def _read(statement: ast.stmt) -> _Branch | None:
    """The `else` behind an `if` and its `elif`s that each compare one attribute of the layer with a string."""
    tests: list[ast.Compare] = []
    while isinstance(statement, ast.If) and _is_kind(test := statement.test):
        tests.append(test)
        if len(statement.orelse) != 1:
            return None
        statement = statement.orelse[0]
    alike = len({form(each.left) for each in tests}) == 1
    call = _plain_call(statement) if alike and isinstance(statement, ast.Assign) else None
    return _Branch(statement, call, tuple(tests)) if call and isinstance(statement, ast.Assign) else None


def _is_kind(test: ast.expr) -> TypeGuard[ast.Compare]:
    """Whether a test is `self.kind == "mamba"`."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq):
        return False
    return is_self(test.left) and string(test.comparators[0]) is not None


def _plain_call(statement: ast.Assign) -> ast.Call | None:
    """`x = self.mixer(x)`: a feed-forward module takes hidden states alone."""
    value = statement.value
    if not isinstance(value, ast.Call) or not is_self(value.func) or value.keywords or len(value.args) != 1:
        return None
    return value if isinstance(value.args[0], ast.Name) and isinstance(statement.targets[0], ast.Name) else None


def _condition(branch: _Branch) -> str:
    others = ", ".join(f'"{string(each.comparators[0])}"' for each in branch.kinds)
    attribute = ast.unparse(branch.kinds[0].left)
    return f"{attribute} not in ({others})" if len(branch.kinds) > 1 else f"{attribute} != {others}"


def _may_be_feed_forward(module: Module, layer: ast.ClassDef, attribute: str | None) -> bool:
    """Whether a feed-forward class is among those that an attribute may be made of, by itself or through a table."""
    for each in module.lineage(layer):
        for name, _, statement in assigned_calls(module.own_method(each, "__init__")):
            if name == attribute and any(map(FEED_FORWARD_CLASS.fits, _named(module, statement))):
                return True
    return False


def _named(module: Module, statement: ast.AST) -> set[str]:
    """The names in a statement, and those in the tables of the module that it names."""
    names = names_in(statement)
    tables = [module.definitions[name] for name in names if isinstance(module.definitions.get(name), ast.Assign)]
    return names.union(*map(names_in, tables))
