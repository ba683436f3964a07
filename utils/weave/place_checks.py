"""Whether the places that a delta declares are in layers of its base, and their words are things that these have."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterable, Iterator
from typing import TypeGuard

from syntax.modules import Function, Module
from syntax.queries import assigned_calls, calls, dotted, is_self, names_in

from weave.anchors import Misfit, parse
from weave.base import Base
from weave.declaration import Declaration
from weave.declared import Declared
from weave.dependencies import reached
from weave.gate import Site
from weave.kind_checks import lacks_splice, said
from weave.place import NUMBER, Feeds, Place, Returns, Scaled, Where
from weave.stack import Stack


_HOLD_A_GATE = ("__init__", "forward")  # the methods of a class with a gate that make and ask it


def check_places(base: Base, stack: Stack, declaration: Declaration) -> None:
    """Raises ConversionError (`no-place`) for a place in a class that no gate of this kind goes into, and for no place.

    `no-splice` at the kind's declaration, where it says nothing at a site that the base needs.
    `no-effect`, where a method of such a class is written anew and leaves its gate out.
    """
    if not declaration.places:
        raise _without_place(base, stack, declaration)
    for declared in declaration.places.values():
        if declared.parent not in base.modeling.classes:
            message = f"{declared.parent} is not a class of {declaration.base}, and computes nothing"
            raise _refuse(declaration, declared, message, _layers(stack))
        _check_asked(base, declaration, declared)
        if isinstance(declared.place, Scaled):
            _check_scaled(base, declaration, declared)
        elif isinstance(declared.place, Feeds):
            _check_attention(base, stack, declaration, declared)
        else:
            _check_layer(base, stack, declaration, declared)


def _without_place(base: Base, stack: Stack, declaration: Declaration) -> Exception:
    layer, gate = stack.layers[0].name if stack.layers else "<Layer>", base.kind.gate
    fix = f"write `class {base.gated(layer)}({declaration.alias}.{layer}):`, with `{gate.attribute} = ...` in it"
    return declaration.refuse(declaration.gates[0], "no-place", "this delta says nowhere where its gate goes", fix)


def _check_layer(base: Base, stack: Stack, declaration: Declaration, declared: Declared) -> None:
    """The class is in the list of layers that the base model goes through, and what it hands on to is told to scale."""
    if declared.parent not in {each.name for each in stack.layers}:
        message = f"{declared.parent} is not a layer that {stack.model.name} goes through"
        raise _refuse(declaration, declared, message, _layers(stack))
    if isinstance(declared.place, Returns):
        return
    assert isinstance(declared.place, Place)
    hands = declared.place.hands
    for site, word in ((Site.RESIDUAL_INSIDE, declared.place.adds), (Site.HANDED_OUTPUT, hands)):
        if word and site not in base.kind.splices:
            needed = f"{base.name} needs: `{declared.place.reads}` of {declared.parent} adds the residual itself"
            if hands:
                needed = f"{base.name} needs: what {declared.parent} hands its output to adds the residual"
            raise lacks_splice(base.kind.declaration, site, needed)
    if hands is None:
        return
    made = _made(base.modeling, declared).get(hands)
    if made is None or made not in declaration.places:
        fix = f"declare `Scaled(...)` in a class made from {declaration.alias}.{made or '<the class that scales>'}"
        raise _refuse(declaration, declared, f"`{hands}` is handed the ratio, and no class takes it", fix)


def _check_attention(base: Base, stack: Stack, declaration: Declaration, declared: Declared) -> None:
    """The class is in a layer that the base model goes through."""
    if declared.parent not in reached(base.modeling, [each.name for each in stack.layers]):
        message = f"no layer that {stack.model.name} goes through has a {declared.parent}"
        raise _refuse(declaration, declared, message, _layers(stack))


def made_by_parent(module: Module, owner: ast.ClassDef, declared: Collection[str]) -> bool:
    """Whether a class leaves its constructor to one above it, which is declared as well and makes the gate."""
    init = module.own_method(owner, "__init__")
    hands_on = init is None or (init.args.vararg is not None and init.args.kwarg is not None)
    return hands_on and any(each.name in declared for each in module.lineage(owner)[1:])


def _check_asked(base: Base, declaration: Declaration, declared: Declared) -> None:
    """Neither the constructor nor the forward of a class with a gate is written whole without it."""
    attribute = base.kind.gate.attribute
    for method in declared.node.body if not isinstance(declared.place, Scaled) else ():
        if not isinstance(method, Function) or method.name not in _HOLD_A_GATE:
            continue
        named = {node.attr for node in ast.walk(method) if isinstance(node, ast.Attribute)}
        if attribute in named or any(_goes_on(each, method.name, declaration.alias) for each in calls(method)):
            continue
        does = "makes" if method.name == "__init__" else "asks"
        message = f"this `{method.name}` takes the place of the gated one, and never {does} `self.{attribute}`"
        fix = f"call `super().{method.name}(...)` in it, or `self.{attribute}`; without a gate, say no place in this class"
        raise declaration.refuse(method, "no-effect", message, fix)


def _goes_on(call: ast.Call, name: str, alias: str) -> bool:
    """Whether a call is `super().name(...)` or `base.Class.name(...)`."""
    match call.func:
        case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=attr):
            return attr == name
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id=owner)), attr=attr):
            return attr == name and owner == alias
    return False


def check_free(base: Base, owner: ast.ClassDef) -> None:
    """Raises ConversionError (`bad-gate`) for a kind whose constructor would replace something that a class of the base has."""
    own: set[str] = set()
    for each in base.modeling.lineage(owner):
        own |= {node.attr for node in ast.walk(each) if _is_set(node)}
        own |= {member.name for member in each.body if isinstance(member, Function)}
    for statement in base.kind.splices[Site.LAYER].body:
        for node in ast.walk(statement):
            if _is_set(node) and node.attr in own:
                message = (
                    f"{owner.name} has a `{node.attr}` of its own, in whose place this kind of gate would put another"
                )
                fix = f"give it another name, as `{base.kind.name}_gate`: `attribute`, and what the splices call it"
                raise base.kind.declaration.refuse(said(base.kind.declaration, "attribute"), "bad-gate", message, fix)


def _is_set(node: ast.AST) -> TypeGuard[ast.Attribute]:
    """Whether a node is `self.name` that is assigned to."""
    return isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and dotted(node.value) == "self"


def _check_scaled(base: Base, declaration: Declaration, declared: Declared) -> None:
    """Some layer hands the class its ratio."""
    for other in declaration.places.values():
        if isinstance(other.place, Place) and other.place.hands:
            if _made(base.modeling, other).get(other.place.hands) == declared.parent:
                return
    fix = 'say in the layer which call it is: `hands="self.output"`'
    raise _refuse(declaration, declared, f"no layer of this delta hands {declared.parent} a ratio to scale by", fix)


def _made(module: Module, declared: Declared) -> dict[str, str]:
    """The attributes of a class that hold instances of others: "self.output" -> "BertOutput"."""
    owner = module.classes.get(declared.parent or "")
    constructors = [module.own_method(each, "__init__") for each in module.lineage(owner)] if owner else []
    found = (each for init in constructors for each in assigned_calls(init))
    return {f"self.{name}": call.func.id for name, call, _ in found if isinstance(call.func, ast.Name)}


def _layers(stack: Stack) -> str:
    names = ", ".join(each.name for each in stack.layers)
    return f"its layers are {names}" if names else "gate another base: no class of this one is a layer"


def _refuse(declaration: Declaration, declared: Declared, message: str, fix: str) -> Exception:
    return declaration.refuse(declared.anchor or declared.node, "no-place", message, fix)


def check_words(module: Module, owner: ast.ClassDef, place: Where) -> None:
    """What a place names besides calls of the forward is there: modules, a shape, what a condition asks for.

    Raises Misfit.
    """
    attributes = set(_attributes(module, owner))
    if isinstance(place, Feeds):
        _check_attributes(owner, attributes, (place.feeds, place.heads, place.width))
        return
    init = module.method(owner, "__init__")
    if isinstance(place, Returns):
        _check_attributes(owner, attributes, (place.number,))
        _check_constructor(owner, init, place.number or NUMBER)
        return
    assert isinstance(place, Place)
    _check_attributes(owner, attributes, (place.normed, place.when))
    forward = module.method(owner, "forward")
    if place.when and init:
        _check_constructor(owner, init, place.when)
    if place.tokens and forward and place.tokens not in _assigned(forward):
        raise Misfit(f"`{place.tokens}` is not a name that it assigns")


def _check_constructor(owner: ast.ClassDef, init: Function | None, anchor: str) -> None:
    """What an anchor names besides attributes is a parameter of the constructor."""
    known = {*(each.arg for each in (*init.args.args, *init.args.kwonlyargs)), *dir(builtins)} if init else set()
    for name in sorted(names_in(parse(anchor)) - known):
        raise Misfit(f"`{anchor}`: the constructor of {owner.name} has no `{name}`")


def _check_attributes(owner: ast.ClassDef, known: set[str], anchors: Iterable[str | None]) -> None:
    for anchor in filter(None, anchors):
        for node in filter(is_self, ast.walk(parse(anchor))):
            if node.attr not in known:
                raise Misfit(f"`{anchor}`: {owner.name} has no `{node.attr}`")


def _attributes(module: Module, owner: ast.ClassDef) -> Iterator[str]:
    for each in module.lineage(owner):
        yield from (node.attr for node in filter(is_self, ast.walk(each)) if isinstance(node.ctx, ast.Store))
        yield from (name.id for node in each.body for name in ast.walk(node) if isinstance(name, ast.Name))


def _assigned(function: ast.FunctionDef) -> set[str]:
    return {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
