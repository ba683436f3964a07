"""What runs when a module is imported, and an order of definitions in which it finds all it needs."""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from syntax.trees import statements_of


_WORD = re.compile(r"[^\W\d]\w*")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class Needs:
    """The names that a definition reads when its module is imported, and those of them that it calls."""

    read: frozenset[str]
    called: frozenset[str]
    mentioned: frozenset[str]  # also those that only its functions' bodies read: needed once it is called


def sort_for_import(body: Mapping[str, str], apart: Collection[str] = ()) -> dict[str, str]:
    """The definitions (name -> text) in their order, save that what one needs at import is moved up above it.

    The names `apart` are left where they are.
    """
    if not _looks_ahead(body):  # nearly always: then nothing has to be parsed
        return dict(body)
    needs = needs_of({name: text for name, text in body.items() if text})
    places = {name: place for place, name in enumerate(body)}
    done: dict[str, str] = {}
    pending: set[str] = set()

    def put(name: str) -> None:
        if name in done or name in pending:  # a circle has no right order
            return
        pending.add(name)
        for needed in sorted(needed_at_import(name, needs) & body.keys() - set(apart), key=places.__getitem__):
            put(needed)
        pending.discard(name)
        done[name] = body[name]

    for name in body:
        put(name)
    return done


def _looks_ahead(body: Mapping[str, str]) -> bool:
    """Whether a definition has a word in it that is the name of one further down."""
    below = set(body)
    for name, text in body.items():
        below.discard(name)
        if not below.isdisjoint(_WORD.findall(text)):
            return True
    return False


def needed_at_import(name: str, needs: Mapping[str, Needs]) -> set[str]:
    """The names that one definition needs at import, also inside the functions that it calls then."""
    found: set[str] = set()
    start = needs.get(name)
    if start is None:
        return found
    found |= start.read
    pending = sorted(start.called)
    seen = {name}
    while pending:
        called = pending.pop()
        if called in seen or called not in needs:
            continue
        seen.add(called)
        found |= needs[called].mentioned
        pending += sorted(needs[called].mentioned & needs.keys())
    return found - {name}


def needs_of(texts: Mapping[str, str]) -> dict[str, Needs]:
    """What each of some definitions needs. They are parsed at once, one by one only where one of them is no Python."""
    try:
        tree = ast.parse("\n".join(texts.values()))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {name: read_needs(text) for name, text in texts.items()}
    found, first, waiting = {}, 1, deque(tree.body)
    for name, text in texts.items():
        first += text.count("\n") + 1
        own = []
        while waiting and waiting[0].lineno < first:
            own.append(waiting.popleft())
        found[name] = _needs(own)
    return found


def read_needs(text: str) -> Needs:
    """What the statements of one definition need; nothing where they are no Python."""
    try:
        return _needs(statements_of(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _needs([])


def _needs(statements: Sequence[ast.stmt]) -> Needs:
    nodes = [node for statement in statements for node in early_nodes(statement)]
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    called |= {one.id for node in nodes for one in getattr(node, "decorator_list", ()) if isinstance(one, ast.Name)}
    every = [node for statement in statements for node in ast.walk(statement)]
    return Needs(_loads(nodes), frozenset(called), _loads(every))


def early_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """A statement's nodes that are evaluated when it is run: all but the bodies of its functions."""
    yield node
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, _FUNCTIONS):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from early_nodes(child)


def _loads(nodes: Iterable[ast.AST]) -> frozenset[str]:
    return frozenset(node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
