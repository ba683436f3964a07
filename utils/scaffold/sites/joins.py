"""What a call adds to each other: `dropout_add(output, residual)`, or a module that is given the residual."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from syntax.modules import Module
from syntax.queries import assigned_calls, callee, last_name
from weave.anchors import blocks

from scaffold.sites.syntax import calls_in, is_simple, part_of, simple_statements, sums


Sources = dict[str, frozenset[str]]  # the parameters that each name of a function comes from


@dataclass(frozen=True, slots=True)
class Joins:
    """Answers for calls in the forward of one layer."""

    module: Module
    layer: ast.ClassDef

    def added(self, call: ast.Call, seen: tuple[ast.FunctionDef, ...] = ()) -> tuple[ast.expr, ...]:
        """The arguments of a call that what it runs adds to each other; none where it adds none.

        What is not of this module is told by its name: `torch.add`, `x.add`, an imported `dropout_add`.
        """
        function = self._function(call)
        if function is None:
            name = last_name(call.func)
            of = [call.func.value] if isinstance(call.func, ast.Attribute) else []
            return (*of, *call.args) if "add" in name.split("_") else ()
        if function in seen:
            return ()
        names = [each.arg for each in function.args.args]
        names = names[1:] if names[:1] == ["self"] else names
        values = dict(zip(names, call.args)) | {each.arg: each.value for each in call.keywords if each.arg in names}
        return tuple(values[name] for name in names if name in values and name in self._added(function, names, seen))

    def adds_its_input(self, call: ast.Call) -> bool:
        """Whether a module that is called adds what it is given to what it makes of it: `return x + self.net(x)`."""
        function = self._function(call)
        own = {each.arg for each in function.args.args[1:2]} if function else set()
        for statement in simple_statements(function) if function and own else ():
            sides = [side for each in sums(statement) for side in (each.left, each.right)]
            if any(isinstance(side, ast.Name) and side.id in own for side in sides):
                return True
            if isinstance(statement, ast.Assign):
                alias = isinstance(statement.value, ast.Name) and statement.value.id in own
                own = own | _targets(statement) if alias else own - _targets(statement)
        return False

    def _function(self, call: ast.Call) -> ast.FunctionDef | None:
        """The function of this module that a call runs: by its name, or the forward of an attribute of the layer."""
        if isinstance(call.func, ast.Name):
            found = self.module.definitions.get(call.func.id)
            return found if isinstance(found, ast.FunctionDef) else None
        owner = self.class_of(part_of(call))
        return self.module.method(owner, "forward") if owner else None

    def class_of(self, attribute: str | None) -> ast.ClassDef | None:
        """The class of this module that an attribute of the layer is made of."""
        for each in self.module.lineage(self.layer):
            for name, call, _ in assigned_calls(self.module.own_method(each, "__init__")):
                if name == attribute and callee(call) in self.module.classes:
                    return self.module.classes[callee(call)]
        return None

    def _added(self, function: ast.FunctionDef, names: list[str], seen: tuple[ast.FunctionDef, ...]) -> set[str]:
        """The parameters of a function of which one comes into one side of a sum, and another into the other."""
        found: set[str] = set()
        for statement, sources in _followed(function, {name: frozenset([name]) for name in names}):
            for left, right in self._sides(statement, (*seen, function)):
                one, other = _sources_of(left, sources), _sources_of(right, sources)
                if one - other and other - one:
                    found |= one ^ other
        return found

    def _sides(self, statement: ast.stmt, seen: tuple[ast.FunctionDef, ...]) -> Iterator[tuple[ast.expr, ast.expr]]:
        yield from ((each.left, each.right) for each in sums(statement))
        if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
            yield statement.target, statement.value
        for call in calls_in(statement):
            if isinstance(call.func, ast.Name):
                yield from combinations(self.added(call, seen), 2)


def _followed(tree: ast.AST, sources: Sources, inside: bool = False) -> Iterator[tuple[ast.stmt, Sources]]:
    """The simple statements of a function, each with the parameters that names come from before it.

    `sources` is written to: what a branch assigns may come from either side of it.
    """
    for statement in (each for block in blocks(tree) for each in block):
        if not is_simple(statement):
            yield from _followed(statement, sources, inside=True)
            continue
        yield statement, sources
        if isinstance(statement, ast.Assign | ast.AugAssign):
            made = _sources_of(statement.value, sources)
            for name in _targets(statement):
                kept = inside or isinstance(statement, ast.AugAssign)
                sources[name] = made | sources.get(name, frozenset()) if kept else made


def _targets(statement: ast.Assign | ast.AugAssign) -> set[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}


def _sources_of(tree: ast.AST, sources: Sources) -> frozenset[str]:
    """The parameters that the value of an expression comes from: not those that it only takes the shape of."""
    if isinstance(tree, ast.Call) and last_name(tree.func).endswith("_like"):
        return frozenset()
    if isinstance(tree, ast.Name):
        return sources.get(tree.id, frozenset())
    return frozenset().union(*(_sources_of(each, sources) for each in ast.iter_child_nodes(tree)))
