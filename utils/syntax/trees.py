"""Texts and their trees: each text is parsed once, however many rooms ask for it."""

from __future__ import annotations

import ast
import gc
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


_KEPT = 3_000_000  # characters of text whose trees are kept: all that a pull request reads; about 110 MB of nodes


class _Trees:
    """The trees of the texts that were asked for last."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._trees: OrderedDict[str, ast.Module] = OrderedDict()
        self._lock = Lock()

    def of(self, text: str) -> ast.Module:
        with self._lock:
            if text in self._trees:
                self._trees.move_to_end(text)
                return self._trees[text]
        tree = _parsed(text)
        with self._lock:
            if text not in self._trees:
                self._trees[text] = tree
                self._size += len(text)
            while self._size > self._limit and len(self._trees) > 1:
                gone, _ = self._trees.popitem(last=False)
                self._size -= len(gone)
            return self._trees.get(text, tree)


_TREES = _Trees(_KEPT)


def tree_of(text: str) -> ast.Module:
    """The tree of a text, which belongs to all that ask for it: it is read, and never changed.

    Raises what `ast.parse` does: SyntaxError, ValueError for a null byte, RecursionError and MemoryError where it is too deep.
    """
    return _TREES.of(text)


def statements_of(text: str) -> list[ast.stmt]:
    """The statements of a text, as `tree_of` has them."""
    return tree_of(text).body


def function_in(text: str) -> ast.FunctionDef:
    """The one function that a text is. Raises ValueError where it is something else."""
    match tree_of(text).body:
        case [ast.FunctionDef() as function]:
            return function
    raise ValueError("the text is not one function")


@contextmanager
def without_collection() -> Iterator[None]:
    """Trees hold no cycles, so looking for garbage in them is only lost time: over half of what parsing takes."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _parsed(text: str) -> ast.Module:
    with without_collection(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of doubtful escapes, which are no business of who only reads
        return ast.parse(text)
