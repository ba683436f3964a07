"""What methods take: parameters by signature, and old names for them by decorator."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from facts.values import base_name
from syntax.queries import classes, last_name, methods
from syntax.trees import tree_of

from proof.values import Lack


_RENAMER = "deprecate_kwarg"


def parameters(function: Callable[..., Any]) -> list[str]:
    """The named parameters of a function under its decorators."""
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    found = inspect.signature(inspect.unwrap(function)).parameters.values()
    return [each.name for each in found if each.kind not in kinds and each.name != "self"]


def old_names(function: Callable[..., Any]) -> dict[str, str]:
    """Old name -> new name of every parameter that a function takes by a decorator, `deprecate_kwarg`."""
    plain = inspect.unwrap(function)
    return dict(_renamed(plain.__code__.co_filename).get(plain.__qualname__, {})) if inspect.isfunction(plain) else {}


@cache
def _renamed(path: str) -> Mapping[str, Mapping[str, str]]:
    """ "Class.method" -> old name -> new name, for all methods of a file."""
    text = Path(path).read_text(encoding="utf-8") if Path(path).is_file() else ""
    if _RENAMER not in text:
        return {}
    return {
        f"{each.name}.{member.name}": dict(_renames(member))
        for each in classes(tree_of(text))
        for member in methods(each)
        if member.decorator_list
    }


def _renames(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    for call in function.decorator_list:
        if isinstance(call, ast.Call) and last_name(call.func) == _RENAMER:
            given = dict(zip(("old_name", "version", "new_name"), call.args)) | {
                word.arg: word.value for word in call.keywords
            }
            match given.get("old_name"), given.get("new_name"):
                case ast.Constant(value=str() as old), ast.Constant(value=str() as new):
                    yield old, new


def lacks(converted: ModuleType, base: ModuleType) -> tuple[Lack, ...]:
    """What the methods of a converted file do not take and those of the base's file do, class by class."""
    found: list[Lack] = []
    for name, own in vars(converted).items():
        theirs = getattr(base, base_name(name), None)
        if inspect.isclass(own) and own.__module__ == converted.__name__ and inspect.isclass(theirs):
            found += _class_lacks(own, theirs)
    return tuple(found)


def _class_lacks(own: type, theirs: type) -> Iterator[Lack]:
    for method, function in vars(own).items():
        known = getattr(theirs, method, None)
        if not (inspect.isfunction(function) and inspect.isfunction(known)):
            continue
        place, taken = f"{own.__name__}.{method}", parameters(function)
        yield from (Lack(place, each) for each in parameters(known) if each not in taken)
        old = old_names(function)
        yield from (Lack(place, each, renamed=True) for each in old_names(known) if each not in old)
