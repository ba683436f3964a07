"""What goes wrong when a class of the delta is merged with its parent, or with what the outputs then hold."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping

from diagnostics.names import nearest
from syntax.queries import call_of_super
from syntax.scan import map_prose

from converter.checks import Check, Finding, Level, exported_names, place_of
from converter.dropped import check_dropped, check_overwritten
from converter.heritage_checks import check_instances, check_mixins
from converter.index import ClassParts, ModuleIndex, StatementKind
from converter.merge.bodies import assigned, deleted, place_of_super
from converter.merge.classes import is_stub, method_key, removes_method
from converter.order_checks import check_locals, check_order
from converter.plan import Draft
from converter.scope import Scope
from converter.super_checks import check_deletions, check_repeats, check_supers, methods_of


PairRun = Callable[[ModuleIndex, ClassParts, ClassParts, str], Iterator[Finding]]
OutputRun = Callable[[Scope, Mapping[str, Draft]], Iterator[Finding]]


def check_outputs(scope: Scope, drafts: Mapping[str, Draft], in_tree: bool) -> Iterator[Finding]:
    """Everything that only shows once the classes are merged and the files planned."""
    if in_tree:
        yield from _check_lost(scope, drafts)
    for name, pair in scope.pairs.items():
        delta, said = pair.delta, scope.delta.definitions[name].text
        yield from _check_members(scope, delta, pair.parent, pair.parent_name)
        yield from check_overwritten(scope.delta, name)
        calls_above = "super" in said or "__class__" in said
        yield from check_pair(scope.delta, delta, pair.parent, pair.parent_name, calls_above)
        if calls_above:
            text = next(draft.body[name] for draft in drafts.values() if name in draft.body)
            yield from _check_deleted(scope, delta, text)
    for check in OUTPUT_CHECKS:
        yield from check.run(scope, drafts)


def check_pair(
    index: ModuleIndex, delta: ClassParts, parent: ClassParts, base: str, calls_above: bool = True
) -> Iterator[Finding]:
    """What goes wrong when a class is merged with what is written out of it already, whatever becomes of both then.

    Args:
        index: the delta.
        delta: the class as the delta has it.
        parent: what is written out of it already.
        base: the name of the parent, for messages.
        calls_above: whether the class may call `super()`; else only what goes wrong without is looked for.
    """
    checks = (*PAIR_CHECKS, *(SUPER_CHECKS if calls_above else ()))
    return (found for check in checks for found in check.run(index, delta, parent, base))


def _check_stubs(index: ModuleIndex, delta: ClassParts, parent: ClassParts, base: str) -> Iterator[Finding]:
    inherited = {method_key(each) for each in parent.members if each.kind is StatementKind.FUNCTION}
    for each in delta.members:
        if (
            each.kind is not StatementKind.FUNCTION
            or method_key(each) not in inherited
            or not is_stub(each)
            or removes_method(each)
        ):
            continue
        name = each.names[0]
        message = f"the stub of `{name}` does not remove `{base}.{name}`: it is decorated, or the class opens with it"
        fix = f"put a blank line above `def {name}` (below a docstring, say) and take its decorators off"
        yield place_of(index, each.node, "stub-kept", message, fix, Level.SILENT)


def _check_members(scope: Scope, delta: ClassParts, parent: ClassParts, base: str) -> Iterator[Finding]:
    """Merging knows docstrings, attributes and methods."""
    for each in delta.members:
        if each.kind in (StatementKind.DOCSTRING, StatementKind.ASSIGNMENT, StatementKind.FUNCTION) or isinstance(
            each.node, ast.Pass
        ):
            continue
        if isinstance(each.node, ast.Expr) and isinstance(each.node.value, ast.Constant):
            continue
        message = f"this statement of `{delta.name}` is dropped: classes merge by docstring, attributes and methods"
        fix = "move it into a method, or out of the class"
        yield place_of(scope.delta, each.node, "dropped-statement", message, fix, Level.SILENT)
    for each in parent.members:
        if each.kind in (StatementKind.CLASS, StatementKind.GUARD, StatementKind.UPDATE):
            what = ast.unparse(each.node).partition("\n")[0]
            message = f"`{what}` in the body of `{base}` is not inherited: merging drops it"
            fix = f"restate in `{delta.name}` what it is needed for"
            yield place_of(
                scope.delta, scope.delta.definitions[delta.name].node, "dropped-statement", message, fix, Level.SILENT
            )


def _check_unrolled(index: ModuleIndex, delta: ClassParts, parent: ClassParts, base: str) -> Iterator[Finding]:
    """A parent's body takes the place of the call: its own parameters must be in scope, and it must not return."""
    theirs = dict(methods_of(parent))
    for name, method in methods_of(delta):
        place = place_of_super(name, method.body)
        if place is None or name not in theirs:
            continue
        call = call_of_super(method.body[place])
        assert call is not None  # `place` is that of one
        wrong = _changed_argument(call, theirs[name].args)
        if wrong:
            message = f"`{base}.{name}` is pasted in here, so `{wrong}` does not reach it: it uses its own names"
            fix = "assign to the parent's parameter above the call, and pass it by its own name"
            yield place_of(index, call, "super-arguments", message, fix, Level.SILENT)
        later = [each for each in method.body[place + 1 :] if deleted(each) is None and assigned(each) is None]
        if later and isinstance(theirs[name].body[-1], ast.Return | ast.Raise):
            message = f"`{base}.{name}`, pasted in above, ends in a return: this statement is never reached"
            fix = f"write `{name}` out"
            yield place_of(index, later[0], "unreachable-statement", message, fix, Level.SILENT)


def _changed_argument(call: ast.Call, parameters: ast.arguments) -> str | None:
    """The first argument that is not simply the parameter of the same name."""
    names = [each.arg for each in (*parameters.posonlyargs, *parameters.args)][1:]
    for argument, name in zip(call.args, [*names, *[""] * len(call.args)], strict=False):
        if isinstance(argument, ast.Starred):
            continue
        if not isinstance(argument, ast.Name) or argument.id != name:
            return ast.unparse(argument)
    for keyword in call.keywords:
        if keyword.arg and not (isinstance(keyword.value, ast.Name) and keyword.value.id == keyword.arg):
            return ast.unparse(keyword)
    return None


def _check_conflicts(scope: Scope, drafts: Mapping[str, Draft]) -> Iterator[Finding]:
    for draft in drafts.values():
        for name, (class_name, parent) in sorted(draft.conflicts.items()):
            message = (
                f"`{class_name}` means `{name}` of {parent.module}, but gets one that another parent brought first"
            )
            fix = f"define or import `{name}` in this file, so that all classes mean the same"
            node = scope.delta.definitions[class_name].node
            yield place_of(scope.delta, node, "conflicting-definition", message, fix, Level.SILENT)


def _check_lost(scope: Scope, drafts: Mapping[str, Draft]) -> Iterator[Finding]:
    """What only transformers' own converter leaves out."""
    for draft in drafts.values():
        for name, class_name in sorted(draft.lost.items()):
            message = (
                f"transformers' own converter loses `{name}`: `{class_name}` has it in a decorator's arguments alone"
            )
            fix = f"define `{name}` in this file, or use it in a body too"
            node = scope.delta.definitions[class_name].node
            yield place_of(scope.delta, node, "reference-loses", message, fix, Level.WARNING)


def _check_leaks(index: ModuleIndex, delta: ClassParts, parent: ClassParts, base: str) -> Iterator[Finding]:
    """What one method assigns below `super()` also replaces assignments in the methods woven after it."""
    mine = dict(methods_of(delta))
    seen: dict[str, tuple[str, ast.stmt]] = {}
    for name, method in methods_of(parent):
        own = mine.get(name)
        place = place_of_super(name, own.body) if own else None
        if own is None or place is None:
            continue
        later = {target: each for each in own.body[place + 1 :] if (target := assigned(each))}
        for target in sorted(
            {target for each in method.body if (target := assigned(each))} & seen.keys() - later.keys()
        ):
            origin, statement = seen[target]
            message = f"`{target} = ...` of `{origin}` would also replace the assignment in the parent's `{name}`"
            fix = f"assign `{target}` in `{name}` too, or use another name in `{origin}`"
            yield place_of(index, statement, "leaking-assignment", message, fix, Level.SILENT)
        seen |= {target: (name, each) for target, each in later.items()}


def _check_deleted(scope: Scope, delta: ClassParts, merged: str) -> Iterator[Finding]:
    """Read off the text: where the `del` was all of a method, the merged class has no tree."""
    for _, method in methods_of(delta):
        for statement in method.body:
            target = deleted(statement)
            if target is None or not target.startswith("self."):
                continue
            name = re.escape(target)
            code = map_prose(merged, lambda _: "")
            if re.search(rf"\b{name}\b", code) and not re.search(rf"\b{name}(?:\s*:[^=\n]+)?\s*=(?!=)", code):
                message = f"`del {target}` removes the attribute, but methods of `{delta.name}` still use it"
                fix = f"restate the methods that use `{target}`, or assign it"
                yield place_of(scope.delta, statement, "dangling-attribute", message, fix, Level.SILENT)


def _check_ignored_assignments(scope: Scope, drafts: Mapping[str, Draft]) -> Iterator[Finding]:
    for name in sorted(scope.defined - {"logger", "__all__", "__getattr__"}):
        statement = scope.delta.definitions[name]
        for parent in scope.parents.values():
            if (
                statement.kind is not StatementKind.ASSIGNMENT
                or name not in parent.names
                or scope.is_replaced(name, parent)
            ):
                continue
            if (
                parent.text(name).strip() != statement.whole.strip()
                and parent not in scope.imported_functions.values()
            ):
                message = f"the value given to `{name}` is ignored where `{parent.module}` defines it too"
                fix = f"give it another name, or import `{name}` instead of defining it"
                yield place_of(scope.delta, statement.node, "ignored-assignment", message, fix, Level.SILENT)


def _check_exports(scope: Scope, drafts: Mapping[str, Draft]) -> Iterator[Finding]:
    defined = {name for draft in drafts.values() for name in draft.body}
    names = exported_names(scope.delta) or []
    value = getattr(scope.delta.definitions["__all__"].node, "value", None) if names else None
    elements = value.elts if isinstance(value, ast.List | ast.Tuple) else []
    for element, name in zip(elements, names, strict=True):
        if name not in defined:
            guess = nearest(name, defined)
            fix = f"did you mean `{guess}`?" if guess else f"define `class {name}` or take it out of `__all__`"
            message = f"`__all__` exports `{name}`, which no output file defines"
            yield place_of(scope.delta, element, "unknown-export", message, fix, Level.ERROR)


PAIR_CHECKS: tuple[Check[PairRun], ...] = (Check(_check_stubs, ("stub-kept",)),)
SUPER_CHECKS: tuple[Check[PairRun], ...] = (  # of classes that call `super()`
    Check(check_supers, ("nested-super",)),
    Check(check_deletions, ("vain-deletion",)),
    Check(check_repeats, ("dropped-statement",)),
    Check(_check_leaks, ("leaking-assignment",)),
    Check(_check_unrolled, ("super-arguments", "unreachable-statement")),
    Check(check_order, ("misplaced-assignment",)),
    Check(check_locals, ("overwritten-local",)),
)
OUTPUT_CHECKS: tuple[Check[OutputRun], ...] = (
    Check(check_dropped, ("dropped-statement", "unused-definition")),
    Check(_check_ignored_assignments, ("ignored-assignment",)),
    Check(_check_conflicts, ("conflicting-definition",)),
    Check(_check_exports, ("unknown-export",)),
    Check(check_mixins, ("hidden-mixin",)),
    Check(check_instances, ("lost-instance",)),
)
