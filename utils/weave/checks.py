"""What a short delta says that would change nothing, or something else than it seems to: refused at its line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher

from diagnostics.errors import ConversionError
from diagnostics.names import nearest
from diagnostics.values import Diagnostic
from syntax.modules import Module, Placed

from weave.base import Base
from weave.declaration import Declaration, mentions
from weave.declared import Declared
from weave.fields import check_fields


_CLOSE = 0.85  # how alike two names are of which one is taken for a slip of the other
_NUMBER = re.compile(r"_?\d+")


def check_declaration(declaration: Declaration, base: Base) -> None:
    """Raises ConversionError with everything in a delta that cannot be meant as it stands, in the order of its lines."""
    problems = [
        *_statements(declaration),
        *_repeated(declaration),
        *_alias(declaration, base),
        *_shadows(declaration, base),
    ]
    for each in declaration.classes:
        problems += [*_stands_for(declaration, base, each), *_members(declaration, base, each)]
        problems += check_fields(declaration, base, each)
    if problems:
        raise ConversionError(*sorted(problems, key=lambda one: (one.line, one.column)))


def slip(name: str, known: Iterable[str]) -> str | None:
    """The known name that another is most likely a slip of the pen for; None where it is a name of its own."""
    found = nearest(name, known)
    if found is None or name[0] != found[0] or _NUMBER.sub("", name) == _NUMBER.sub("", found):
        return None
    return found if SequenceMatcher(None, name, found).ratio() >= _CLOSE else None


def _problem(declaration: Declaration, node: Placed, code: str, message: str, fix: str) -> Diagnostic:
    [problem] = declaration.refuse(node, code, message, fix).diagnostics
    return problem


def _statements(declaration: Declaration) -> Iterator[Diagnostic]:
    """A delta says classes, functions and names; anything else would be left out of the model without a word."""
    tree, seen, last = declaration.module.tree, set(), 0
    for number, node in enumerate(tree.body):
        if node.lineno == last:
            yield _problem(declaration, node, "no-effect", "two statements share this line", "give each its own line")
        last = node.end_lineno or node.lineno
        match node:
            case ast.Expr(value=ast.Constant(value=str())) if number == 0:
                continue
            case ast.ImportFrom(module="__future__"):
                message = "generated files have no `from __future__`"
                yield _problem(declaration, node, "no-effect", message, "leave it out")
            case ast.Import() | ast.ImportFrom() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                pass
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                seen.add(name)
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name))]) if name in seen:
                pass
            case ast.AugAssign(target=ast.Name(id="__all__")):
                fix = "write the whole list: `__all__ = [...]`"
                yield _problem(declaration, node, "no-effect", "`__all__` is only taken as a whole", fix)
            case _:
                said = ast.unparse(node).partition("\n")[0]
                message = f"`{said}` would be left out: a delta is made of classes, functions and names"
                yield _problem(declaration, node, "no-effect", message, "put it into one of these, or leave it out")


def _repeated(declaration: Declaration) -> Iterator[Diagnostic]:
    lines: dict[str, int] = {}
    for node in declaration.module.tree.body:
        imported = node.names if isinstance(node, ast.Import | ast.ImportFrom) else ()
        for name in (*own_names(node), *(each.asname or each.name.partition(".")[0] for each in imported)):
            if name in lines:
                message = f"`{name}` has its meaning from line {lines[name]} already"
                yield _problem(declaration, node, "repeated-name", message, "say it once, all in one place")
            lines.setdefault(name, node.lineno)


def own_names(node: ast.stmt) -> list[str]:
    """The names that a statement of a module defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [each.id for each in targets if isinstance(each, ast.Name)]


def _alias(declaration: Declaration, base: Base) -> Iterator[Diagnostic]:
    """The name of the base means the base wherever it stands, and what is taken from it is there."""
    alias, known = declaration.alias, _names_of(base)
    taken = {id(node.value) for node in mentions(declaration)}
    for node in ast.walk(declaration.module.tree):
        if not isinstance(node, ast.arg | ast.Name):
            continue
        bound = node.arg if isinstance(node, ast.arg) else node.id
        if bound == alias and not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
            message = f"`{alias}` is what this delta calls its base"
            yield _problem(declaration, node, "shadowed-name", message, "give this another name")
        elif bound == alias and id(node) not in taken:
            message, fix = f"`{alias}` is not there in the model", f"name what is meant of it: `{alias}.<Class>`"
            yield _problem(declaration, node, "unknown-name", message, fix)
    parents = {id(each) for declared in declaration.classes for each in declared.node.bases}
    called = {id(owner) for each in ast.walk(declaration.module.tree) if (owner := _owner_called(each)) is not None}
    for node in mentions(declaration):
        if id(node) in parents:
            continue
        gated = base.gated_names.get(node.attr)
        if gated and id(node) not in called:
            message = f"`{alias}.{node.attr}` is not there in the model, which has `{gated}` in its place"
            fix = f"name `{gated}`, which `class {gated}({alias}.{node.attr}): pass` tells readers of"
            yield _problem(declaration, node, "unknown-name", message, fix)
        elif node.attr not in known:
            close = nearest(node.attr, known)
            fix = f"did you mean `{close}`?" if close else f"name something that {declaration.base} defines or imports"
            yield _problem(declaration, node, "unknown-name", f"the base has no `{node.attr}`", fix)


def _owner_called(node: ast.AST) -> ast.Attribute | None:
    """Of `base.Model.method(self, ...)`, which says `super().method(...)`, `base.Model`."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Attribute() as owner), args=[ast.Name(id="self"), *_]):
            return owner
    return None


def _names_of(base: Base) -> set[str]:
    modeling, configuration = base.modeling, base.configuration
    return {*modeling.definitions, *modeling.imports, *configuration.definitions, *configuration.imports}


def _shadows(declaration: Declaration, base: Base) -> Iterator[Diagnostic]:
    """A definition does not take the name of something that the base's code means otherwise."""
    taken = base.modeling.imports.keys() | base.configuration.imports.keys() | base.kind.imports.keys()
    for node in declaration.module.tree.body:
        for name in own_names(node):
            if name in taken and name not in base.kind.definitions and name not in _classes(base):
                message = f"`{name}` is something that the base imports, and its code would mean this"
                yield _problem(declaration, node, "shadowed-name", message, "give it another name")


def _classes(base: Base) -> dict[str, ast.ClassDef]:
    return {**base.modeling.classes, **base.configuration.classes}


def _stands_for(declaration: Declaration, base: Base, declared: Declared) -> Iterator[Diagnostic]:
    """A class that changes one of the base has the gated one's name, and is made from it."""
    known, node, name = _classes(base), declared.node, declared.name
    if declared.parent is None:
        if name in known:
            message = f"the gated {name} is called `{base.gated(name)}`, so `{name}` would change nothing"
            fix = f"write `class {base.gated(name)}({declaration.alias}.{name}):`"
            yield _problem(declaration, node, "unknown-class", message, fix)
        if declared.place is not None:
            message = f"`{name}` says where a gate goes, and not in which class of the base"
            fix = f"write `class {name}({declaration.alias}.<Layer>):`"
            yield _problem(declaration, node, "unknown-class", message, fix)
        return
    parents = [each for each in node.bases if any(each is one for one in mentions(declaration))]
    of_base = [each for each in parents if isinstance(each, ast.Attribute) and each.attr in known]
    if len(of_base) > 1:
        fix = "make it from one of them, and restate what the other adds"
        yield _problem(declaration, of_base[1], "two-parents", f"{name} is made from two classes of the base", fix)
    if declared.parent not in known:
        if declared.parent not in _names_of(base):
            close = nearest(declared.parent, known)
            fix = f"did you mean `{close}`?" if close else "name a class of the base"
            yield _problem(declaration, parents[0], "unknown-class", f"the base has no class `{declared.parent}`", fix)
        return
    wanted = base.gated(declared.parent)
    if name != wanted:
        message = f"the gated {declared.parent} is called `{wanted}`, so `{name}` would change nothing"
        fix = f"did you mean `{wanted}`?"
        if base.gated_name != f"{base.kind.family}{base.name}":
            fix += f" Names follow that of the file, modular_{base.gated_name}.py"
        yield _problem(declaration, node, "unknown-class", message, fix)


def _members(declaration: Declaration, base: Base, declared: Declared) -> Iterator[Diagnostic]:
    """Members of a class are attributes and methods, and no slips of those that the base has."""
    node, last = declared.node, 0
    for number, each in enumerate(node.body):
        if each.lineno == last:
            yield _problem(declaration, each, "no-effect", "two statements share this line", "give each its own line")
        last = each.end_lineno or each.lineno
        docstring = number == 0 and isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
        if not docstring and not isinstance(each, ast.Assign | ast.AnnAssign | ast.FunctionDef | ast.Pass):
            said = ast.unparse(each).partition("\n")[0]
            message = f"`{said}` would be left out: classes merge by docstring, attributes and methods"
            yield _problem(declaration, each, "no-effect", message, "move it into a method, or out of the class")
    known = _inherited(base, declared)
    if not known:
        return
    words = re.findall(r"\w+", declaration.module.source.text)
    for each in node.body:
        for name in own_names(each):
            close = slip(name, known) if name not in known and words.count(name) == 1 else None
            if close:
                message = f"the base's {declared.parent} has no `{name}`, and nothing else uses it"
                yield _problem(declaration, each, "unknown-member", message, f"did you mean `{close}`?")
    for call, name in _super_calls(node):
        close = slip(name, known) if name not in known else None
        if close:
            message = f"the base's {declared.parent} has no method `{name}`"
            yield _problem(declaration, call, "unknown-member", message, f"did you mean `super().{close}(...)`?")


def _inherited(base: Base, declared: Declared) -> set[str]:
    """What a class of the base, and the gate's own role of it, define: methods, attributes, fields."""
    found: set[str] = set()
    for module in (base.modeling, base.configuration):
        owner = module.classes.get(declared.parent or "")
        found |= _defined(module, owner) if owner else set()
    if not found:
        return found
    roles = [base.kind.definitions[name][1] for name in base.kind.roles if name in base.kind.definitions]
    ours = [
        each
        for each in roles
        if isinstance(each, ast.ClassDef) and declared.name.endswith(each.name.removeprefix(base.kind.gate.prefix))
    ]
    return found.union(*(own_names(each) for role in ours for each in role.body))


def _defined(module: Module, owner: ast.ClassDef) -> set[str]:
    names = {name for each in module.lineage(owner) for member in each.body for name in own_names(member)}
    return {*names, owner.name}


def _super_calls(node: ast.ClassDef) -> Iterator[tuple[ast.Call, str]]:
    for each in ast.walk(node):
        match each:
            case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name)):
                yield each, name
