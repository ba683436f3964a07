"""Docstrings of public functions say which errors are raised, what each of many parameters is, and the shapes of arrays."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest


UTILS = Path(__file__).parents[2] / "utils"
STANDINS = UTILS / "common_tests" / "standins"  # in the place of modules of transformers: their functions are its own
PACKAGES = tuple(sorted(path.parent.name for path in UTILS.glob("*/__init__.py")))
MANY = 4  # parameters that a docstring explains, where a function has so many
# Errors that tell whoever calls of a fault of theirs, or that Python has for the purpose.
_PLAIN = {"NotImplementedError", "AssertionError", "StopIteration", "SystemExit", "KeyboardInterrupt"}

_MADE = "an error that a function makes"  # `raise module.refuse(...)`: of a class that is not written out

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Public:
    """A public function or method."""

    path: Path
    name: str  # "Class.method"
    node: Function
    module: ast.Module

    @property
    def doc(self) -> str:
        """Its docstring; that of the method which it overrides in its module, where it has none."""
        return ast.get_docstring(self.node) or _inherited(self.module, *self.name.rpartition(".")[::2])


def _inherited(module: ast.Module, owner: str, name: str) -> str:
    classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    bases = (
        [classes[ast.unparse(base)] for base in classes[owner].bases if ast.unparse(base) in classes] if owner else []
    )
    methods = (node for base in bases for node in base.body if isinstance(node, Function) and node.name == name)
    return next((ast.get_docstring(node) or "" for node in methods), "")


def public(package: str) -> Iterator[Public]:
    for path in sorted((UTILS / package).rglob("*.py")):
        if STANDINS in path.parents:
            continue
        module = tree(path)
        for node in module.body:
            if isinstance(node, Function) and not node.name.startswith("_"):
                yield Public(path, node.name, node, module)
            elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                for member in node.body:
                    if isinstance(member, Function) and not member.name.startswith("_"):
                        yield Public(path, f"{node.name}.{member.name}", member, module)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def raised(function: Function) -> set[str]:
    """The errors that a function's own statements raise and do not catch; of functions inside it, none."""
    return set(_raised(function.body, frozenset()))


def _raised(body: list[ast.stmt], caught: frozenset[str]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Raise) and node.exc is not None:
            name = _error(node.exc)
            if name and name not in caught and "Exception" not in caught:
                yield name
        elif isinstance(node, ast.Try):
            here = frozenset(name for each in node.handlers for name in _caught(each))
            yield from _raised(node.body, caught | here)
            for rest in (node.orelse, node.finalbody, *(each.body for each in node.handlers)):
                yield from _raised(rest, caught)
        elif not isinstance(node, Function | ast.ClassDef):
            for field in ("body", "orelse"):
                yield from _raised(getattr(node, field, []), caught)
            for case in getattr(node, "cases", []):
                yield from _raised(case.body, caught)


def _error(node: ast.expr) -> str | None:
    """The class of what is raised, where it is written out, `raise Error(...)` or `raise module.Error`; else `_MADE`.

    A private class is caught before anyone sees it, and what is raised again tells nothing.
    """
    made, node = isinstance(node, ast.Call), node.func if isinstance(node, ast.Call) else node
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    if made and name.lstrip("_")[:1].islower():
        return _MADE
    return name if name[:1].isupper() and name not in _PLAIN else None


def _caught(handler: ast.ExceptHandler) -> set[str]:
    if handler.type is None:
        return {"Exception"}
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {ast.unparse(kind).rpartition(".")[2] for kind in kinds}


def called(function: Function) -> set[str]:
    """The bare names that a function calls outside of `try`."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Try | Function | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call):
            name = node.func
            if isinstance(name, ast.Name):
                found.add(name.id)
            elif isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name) and name.value.id == "self":
                found.add(name.attr)
        waiting += ast.iter_child_nodes(node)
    return found


def errors_of(function: Public) -> set[str]:
    """What a function raises itself, and what the private functions of its module raise that it calls."""
    helpers = {node.name: node for node in ast.walk(function.module) if isinstance(node, Function)}
    below = (helpers[name] for name in called(function.node) if name.startswith("_") and name in helpers)
    return raised(function.node).union(*map(raised, below))


def tells(doc: str, error: str) -> bool:
    """Whether a docstring names an error, or says that the raising is another function's: "raises as `load` does"."""
    named = r"[Rr]aises?|[Rr]efuses?|\w+Error" if error == _MADE else error
    return re.search(rf"\b({named})\b", doc) is not None or re.search(r"\b[Rr]aises? as `", doc) is not None


def silent(function: Public) -> list[str]:
    return sorted(error for error in errors_of(function) if not tells(function.doc, error))


def parameters(function: Function) -> list[str]:
    args = function.args
    names = [each.arg for each in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def explained(doc: str) -> set[str]:
    """The names before a colon in the part `Args:`; several may share a line."""
    part = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)+)", doc, re.MULTILINE)
    lines = re.findall(r"^ {4}(\*{0,2}\w+(?:, \*{0,2}\w+)*):", part[1], re.MULTILINE) if part else []
    return {name.strip(" *") for line in lines for name in line.split(",")}


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_raised_is_told(package: str) -> None:
    found = [
        f"{each.path.name}:{each.node.lineno} {each.name}: {silent(each)}" for each in public(package) if silent(each)
    ]
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_many_parameters_are_explained(package: str) -> None:
    wrong = []
    for each in public(package):
        names = parameters(each.node)
        if len(names) >= MANY and (lacking := [name for name in names if name not in explained(each.doc)]):
            wrong.append(f"{each.path.name}:{each.node.lineno} {each.name}: {lacking}")
    assert wrong == []


def holds_arrays(function: Function) -> bool:
    """Whether a function takes or gives arrays or tensors."""
    args = function.args
    notes = [each.annotation for each in (*args.posonlyargs, *args.args, *args.kwonlyargs)] + [function.returns]
    return any(re.search(r"\b(ndarray|torch\.Tensor)\b", ast.unparse(note)) for note in notes if note is not None)


@pytest.mark.parametrize("package", PACKAGES)
def test_arrays_have_shapes(package: str) -> None:
    without = [each for each in public(package) if holds_arrays(each.node) and "[" not in each.doc]
    assert [f"{each.path.name}:{each.node.lineno} {each.name}" for each in without] == []


def of(text: str) -> Public:
    module = ast.parse(text)
    [node] = [node for node in module.body if isinstance(node, Function) and not node.name.startswith("_")]
    return Public(Path("x.py"), node.name, node, module)


def test_this_check_can_fail() -> None:
    assert {"converter", "weave"} <= set(PACKAGES)
    helper = "def _low():\n    raise KeyError(1)\n"
    assert silent(of('def f():\n    """Does."""\n    raise ValueError(1)')) == ["ValueError"]
    assert silent(of('def f():\n    """Raises ValueError."""\n    raise ValueError(1)')) == []
    assert silent(of(f'{helper}def f():\n    """Does."""\n    return _low()')) == ["KeyError"]
    assert (
        silent(of(f'{helper}def f():\n    """Does."""\n    try:\n        _low()\n    except KeyError:\n        pass'))
        == []
    )
    assert silent(of('def f():\n    """Does."""\n    with x:\n        for y in z:\n            raise a.OddError')) == [
        "OddError"
    ]
    assert (
        silent(of('def f():\n    """Does."""\n    try:\n        raise OddError\n    except OddError:\n        raise'))
        == []
    )
    assert silent(
        of(
            'def f():\n    """Does."""\n    try:\n        pass\n    except OSError as error:\n        raise Other from error'
        )
    ) == ["Other"]
    assert silent(of('def f():\n    """Does."""\n    raise module.refuse(1)')) == [_MADE]
    assert silent(of('def f():\n    """Raises what it may."""\n    raise refuse(1)')) == []
    assert silent(of('def f():\n    """Does."""\n    raise _Own(1)\n    raise error')) == []
    assert explained("Does.\n\nArgs:\n    a, b: both.\n    c: this,\n        and d: no.\n\nRaises:\n    E: e.") == {
        "a",
        "b",
        "c",
    }
