"""What a kind of gate cannot mean: values of another type, splices that leave a forward, names that no site offers.

All of it is refused with `bad-gate`, at the line of the declaration.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from inspect import get_annotations
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from diagnostics.errors import ConversionError
from diagnostics.names import nearest
from syntax.modules import Module, Placed

from weave.gate import Gate, Site
from weave.spliced import Spliced


# What a site offers besides `self`; all but the constructor's also what forwards are asked, and what other splices assign.
_OFFERS: Mapping[Site, tuple[str, ...]] = {
    Site.LAYER: ("config",),
    Site.FEED_FORWARD_INPUT: ("hidden_states",),
    Site.FEED_FORWARD_OUTPUT: ("output",),
    Site.FEED_FORWARD_NORM: ("output",),
    Site.RESIDUAL_INSIDE: ("output", "residual", "added", "whole"),
    Site.HANDED_OUTPUT: ("output",),
    Site.ATTENTION_OUTPUT: ("output", "hidden_states"),
    Site.EXPERTS_INPUT: ("hidden_states",),
    Site.EXPERTS_OUTPUT: ("output",),
    Site.LAYER_OUTPUT: ("output",),
}
_TOLD = {Site.ATTENTION_OUTPUT: ("projection", "heads", "width"), Site.LAYER_OUTPUT: ("number",)}  # to constructors
_LEAVES = ast.Return | ast.Yield | ast.YieldFrom | ast.Await | ast.Global | ast.Nonlocal
_SCOPES = (
    ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ListComp | ast.SetComp | ast.DictComp
) | ast.GeneratorExp


def check_values(module: Module, make: type, given: Mapping[str, tuple[ast.expr, object]]) -> None:
    """Refuse values that a field of a class does not take: a tuple of one that lacks its comma, say.

    Args:
        module: of the declaration.
        make: the class of weave.gate.
        given: the expression and the value of each field that is said.
    """
    for name, (node, value) in given.items():
        wanted = get_type_hints(make).get(name)
        if wanted is None or _is_one(value, wanted):
            continue
        said = " ".join(ast.unparse(node).split())
        if get_origin(wanted) is tuple and not isinstance(value, tuple):
            fix = f"write a comma behind a single item: `{name}=({said},)`"
            raise _bad(module, node, f"`{name}` of `{make.__name__}` is `{said}`, and no tuple", fix)
        declared = next(get_annotations(each)[name] for each in make.__mro__ if name in get_annotations(each))
        fix = f"it is declared as `{name}: {declared}`"
        raise _bad(module, node, f"`{name}` of `{make.__name__}` cannot be `{said}`", fix)


def _is_one(value: object, wanted: Any) -> bool:
    """Whether a value is of a type as annotations say it."""
    items = get_args(wanted)
    if get_origin(wanted) is tuple and isinstance(value, tuple):
        if items[-1] is Ellipsis:
            return all(_is_one(each, items[0]) for each in value)
        return len(value) == len(items) and all(map(_is_one, value, items))
    if isinstance(wanted, UnionType):
        return any(_is_one(value, each) for each in items)
    kind = get_origin(wanted) or (NoneType if wanted is None else wanted)
    return not isinstance(kind, type) or isinstance(value, kind)


def check_function(module: Module, function: ast.FunctionDef) -> None:
    """Refuse what a body cannot say that becomes part of another function, or that would be renamed wrongly there."""
    parameters = {each.arg for each in function.args.args}
    for node in _own(function):
        if isinstance(node, _LEAVES):
            told, does = ast.unparse(node), "would end here" if isinstance(node, ast.Return) else "cannot say it"
            message = f"`{told}` in `{function.name}`: its body becomes part of the base's forward, which {does}"
            raise _bad(module, node, message, "assign to what the site offers instead: `output = ...`")
    for place, name in _renamed_elsewhere(function):
        if name in parameters:
            message = f"`{name}` of `{function.name}` means something else here"
            raise _bad(module, place, message, "give one of both another name")


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """What is inside a function, and in no function within it."""
    for each in ast.iter_child_nodes(node):
        yield each
        if not isinstance(each, ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _own(each)


def _renamed_elsewhere(function: ast.FunctionDef) -> Iterator[tuple[Placed, str]]:
    """Every name that a function gives a meaning otherwise than by assigning to its own variable."""
    for node in ast.walk(function):
        if node is function:
            continue
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node, name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node, name
            case ast.MatchMapping(rest=str(name)):
                yield node, name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from ((node, each.asname or each.name.partition(".")[0]) for each in names)
        if isinstance(node, _SCOPES):
            yield from ((each, each.arg) for each in ast.walk(node) if isinstance(each, ast.arg))
            own = (each for each in ast.walk(node) if isinstance(each, ast.Name))
            yield from ((each, each.id) for each in own if not isinstance(each.ctx, ast.Load))


def check_complete(
    module: Module, gate: Gate, roles: Collection[str], defined: Collection[str], value: Placed
) -> None:
    """Refuse a kind without what every model needs of it, a splice too many, and one that takes what nothing gives.

    Args:
        module, gate: the declaration.
        roles: the classes that every kind defines.
        defined: the names that its modules define.
        value: the statement of `GATE`.
    """
    sites = [each.site for each in gate.splices]
    for splice in gate.splices:
        if not isinstance(splice.function, Spliced):
            message = f"what goes to `{splice.site}` is `{splice.function!r}`, and no function of this file"
            raise _bad(module, value, message, "name the function: `Splice(Site.LAYER, set_up)`")
    for each in sorted(roles):
        if each not in defined:
            message, fix = f"no module of this kind defines `{each}`", "define it, or name its module in `modules`"
            raise _bad(module, value, message, fix)
    if gate.prefix not in defined:
        message = f"no module of this kind defines the gate itself, `{gate.prefix}`"
        raise _bad(module, value, message, "define it")
    if Site.LAYER not in sites:
        raise _bad(module, value, "no splice goes to `Site.LAYER`, where a layer gets its gate", "add one")
    for site in Site:
        if sites.count(site) > 1:
            raise _bad(module, value, f"two splices go to `{site}`", "make one function of them")
    _check_parameters(module, gate)


def _check_parameters(module: Module, gate: Gate) -> None:
    """Refuse a parameter that stands for nothing: no site offers it, and no other splice assigns it."""
    spliced = {each.site: each.function for each in gate.splices if isinstance(each.function, Spliced)}
    _check_handed(module, spliced)
    told = [name for site in spliced for name in _TOLD.get(site, ())]
    for site, each in spliced.items():
        others = [other for place, other in spliced.items() if other is not each and place is not Site.LAYER]
        assigned = [name for other in others for name in other.stored]
        more = told if site is Site.LAYER else [*(asked.name for asked in gate.asks), *assigned]
        offered = dict.fromkeys([*_OFFERS[site], *more])
        for name in each.parameters:
            if name not in offered:
                close = nearest(name, offered)
                fix = f"did you mean `{close}`?" if close else f"it may take {', '.join(offered)}"
                message = f"`{each.name}` takes `{name}`, which `{site}` does not offer and no other splice assigns"
                raise _bad(module, module.definitions[each.name], message, fix)


def _check_handed(module: Module, spliced: Mapping[Site, Spliced]) -> None:
    """Refuse a splice of the class that adds the residual that is handed nothing, or more than one thing, of the layer."""
    if Site.HANDED_OUTPUT not in spliced:
        return
    each = spliced[Site.HANDED_OUTPUT]
    names = [name for name in each.parameters if name != "output"]
    scored = spliced[Site.FEED_FORWARD_INPUT].stored if Site.FEED_FORWARD_INPUT in spliced else ()
    if len(names) != 1 or names[0] not in scored or Site.FEED_FORWARD_OUTPUT not in spliced:
        message = f"`{each.name}` is handed one thing besides `output`, which the splice at `Site.FEED_FORWARD_INPUT` assigns"
        fix = "write three splices: at the input, at the output, and this one (docs/kinds.md, 4)"
        raise _bad(module, module.definitions[each.name], message, fix)


def lacks_splice(module: Module, site: Site, needed: str) -> ConversionError:
    """That a base needs a splice that its kind of gate has not (`no-splice`); `needed` says which base, and why."""
    message = f"this kind of gate has no splice for `{site}`, which {needed}"
    fix = "write one, as docs/kinds.md has them for such bases, and add it to `splices`"
    return module.refuse(said(module, "splices"), "no-splice", message, fix)


def said(module: Module, field: str) -> Placed:
    """The value of a field where `GATE` says it, else that statement."""
    value = module.definitions["GATE"]
    keywords = value.value.keywords if isinstance(value, ast.Assign) and isinstance(value.value, ast.Call) else []
    return next((each.value for each in keywords if each.arg == field), value)


def _bad(module: Module, node: Placed, message: str, fix: str) -> ConversionError:
    return module.refuse(node, "bad-gate", message, fix)
