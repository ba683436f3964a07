"""docs/errors.md lists every code that a tool of this project can answer with, and none besides."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path


ROOT = Path(__file__).parents[2]
CODE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_ROW = re.compile(r"^\| ((?:`[a-z0-9-]+`(?:, )?)+) \|", re.MULTILINE)

Places = dict[str, set[int]]  # what is called, ".refuse" of a method -> the places of the code in its arguments


def documented(page: str) -> set[str]:
    """The codes in the first column of a page's tables."""
    return {code for row in _ROW.findall(page) for code in re.findall(r"[a-z0-9-]+", row)}


def places_of_codes(trees: list[ast.Module]) -> Places:
    """The functions with a parameter `code: str`, and the dataclasses with a field of that name."""
    found: Places = {}
    for owner in (node for tree in trees for node in ast.walk(tree)):
        body = owner.body if isinstance(owner, ast.ClassDef | ast.Module) else []
        for each in (each for each in body if isinstance(each, ast.FunctionDef)):
            called = f".{each.name}" if isinstance(owner, ast.ClassDef) else each.name
            is_constructor = called == ".__init__" and isinstance(owner, ast.ClassDef)
            _note(found, owner.name if is_constructor else called, _parameters(each))
        if isinstance(owner, ast.ClassDef):
            fields = [each for each in owner.body if isinstance(each, ast.AnnAssign)]
            _note(found, owner.name, [(_name(each.target), each.annotation) for each in fields])
    return found


def _parameters(function: ast.FunctionDef) -> list[tuple[str, ast.expr | None]]:
    given = [(each.arg, each.annotation) for each in function.args.args]
    return given[1:] if given and given[0][0] == "self" else given


def _note(found: Places, name: str, given: list[tuple[str, ast.expr | None]]) -> None:
    for place, (parameter, annotation) in enumerate(given):
        if parameter == "code" and _name(annotation) == "str":
            found.setdefault(name, set()).add(place)


def given_codes(tree: ast.Module, places: Places, constants: dict[str, str]) -> Iterator[str]:
    """The codes that a module's calls are given: written out, chosen between, or by the name of a constant."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        called = _name(call.func) if isinstance(call.func, ast.Name) else f".{_name(call.func)}"
        arguments = [call.args[each] for each in places.get(called, ()) if each < len(call.args)]
        named = [each.value for each in call.keywords if each.arg == "code" and called in places]
        for value in (*arguments, *named):
            yield from filter(CODE.fullmatch, _texts(value, constants))


def _texts(value: ast.expr, constants: dict[str, str]) -> list[str]:
    if isinstance(value, ast.IfExp):
        return [*_texts(value.body, constants), *_texts(value.orelse, constants)]
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return [value.value]
    return [constants[_name(value)]] if _name(value) in constants else []


def _name(node: ast.expr | None) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def constants_of(trees: list[ast.Module]) -> dict[str, str]:
    """The texts that modules give names of their own."""
    statements = [node for tree in trees for node in tree.body if isinstance(node, ast.Assign)]
    pairs = [pair for each in statements for pair in _pairs(each.targets[0], each.value)]
    return {
        _name(to): value.value
        for to, value in pairs
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
    }


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """`A, B = "a", "b"` is two assignments."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


@cache
def codes_by_package() -> dict[str, set[str]]:
    """The codes of each package of utils/, and of its scripts under ""."""
    paths = [path for path in sorted((ROOT / "utils").rglob("*.py")) if "standins" not in path.parts]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    places, found = places_of_codes([*trees.values()]), dict[str, set[str]]()
    constants = constants_of([*trees.values()])
    for path, tree in trees.items():
        package = path.relative_to(ROOT / "utils").parts[0] if path.parent.name != "utils" else ""
        found.setdefault(package, set()).update(given_codes(tree, places, constants))
    return found


PAGE = documented((ROOT / "docs" / "errors.md").read_text(encoding="utf-8"))


def test_every_code_of_a_package_is_listed() -> None:
    lacking = {package: codes - PAGE for package, codes in codes_by_package().items()}
    assert {package: codes for package, codes in lacking.items() if codes} == {}


def test_every_listed_code_can_be_met() -> None:
    assert PAGE - set().union(*codes_by_package().values()) == set()


def test_the_packages_that_refuse_something_are_seen() -> None:
    least = {
        "converter": 20,
        "weave": 20,
        "pull_request": 40,
        "building": 15,
        "checkpoints": 8,
        "facts": 3,
        "telling": 1,
    }
    assert {name: len(codes_by_package()[name]) >= few for name, few in least.items()} == dict.fromkeys(least, True)


def test_codes_are_found_wherever_they_stand() -> None:
    text = (
        "INSIDE, OUTSIDE = 'other-name', 'by-name'\n"
        "class Problem:\n    code: str\n    line: int\n"
        "class Stage:\n    code: tuple[str, ...]\n"
        "class Error(Exception):\n    def __init__(self, path: str, code: str = '') -> None: ...\n"
        "class Source:\n    def refuse(self, line: int, code: str) -> None: ...\n"
        "def refuse(code: str, path: str) -> None: ...\n"
        "refuse('first-code', 'git')\nself.refuse(2, code='other' if x else 'third-one')\nProblem('of-a-field', 1)\n"
        "Error('not-a-code', OUTSIDE)\nself.refuse(1, 'Not a code')\nself.refuse(1, 'last-one')\nStage('none-either')\n"
    )
    tree = ast.parse(text)
    found = given_codes(tree, places_of_codes([tree]), constants_of([tree]))
    assert sorted(found) == ["by-name", "first-code", "last-one", "of-a-field", "other", "third-one"]
