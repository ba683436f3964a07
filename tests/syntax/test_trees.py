"""Each text is parsed once, and the trees that are kept are bounded by the length of their texts."""

from __future__ import annotations

import ast
import gc
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from syntax import trees
from syntax.trees import function_in, statements_of, tree_of, without_collection


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are parsed, with nothing kept from before."""
    found: list[str] = []
    parse: Callable[[str], ast.Module] = ast.parse
    monkeypatch.setattr(trees, "_TREES", trees._Trees(30))
    monkeypatch.setattr(ast, "parse", lambda text: found.append(text) or parse(text))
    return found


def test_a_text_is_parsed_once_however_often_it_is_asked_for(parsed: list[str]) -> None:
    assert tree_of("a = 1") is tree_of("a = 1") and statements_of("a = 1") is tree_of("a = 1").body
    assert parsed == ["a = 1"]


def test_what_was_not_asked_for_the_longest_goes_first(parsed: list[str]) -> None:
    for text in ("a = 10000000", "b = 20000000", "a = 10000000", "c = 30000000", "a = 10000000", "b = 20000000"):
        tree_of(text)
    assert parsed == ["a = 10000000", "b = 20000000", "c = 30000000", "b = 20000000"]


def test_a_text_longer_than_all_that_is_kept_has_a_tree_too(parsed: list[str]) -> None:
    long = f"a = {'1' * 50}"
    assert tree_of(long) is tree_of(long) and parsed == [long]


def test_a_text_that_is_no_python_is_refused_each_time(parsed: list[str]) -> None:
    for _ in range(2):
        with pytest.raises(SyntaxError):
            tree_of("a =")


def test_a_doubtful_escape_is_no_business_of_readers() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(statements_of('a = "\\d of its own"')) == 1


@pytest.mark.parametrize("text", ["a = 1", "a ="])
def test_no_garbage_is_looked_for_while_a_text_is_parsed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parse, enabled = ast.parse, list[bool]()
    monkeypatch.setattr(trees, "_TREES", trees._Trees(30))
    monkeypatch.setattr(ast, "parse", lambda text: enabled.append(gc.isenabled()) or parse(text))
    with suppress(SyntaxError):
        tree_of(text)
    assert enabled == [False] and gc.isenabled()


def test_who_has_turned_collection_off_finds_it_off() -> None:
    with without_collection():
        with without_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_threads_get_one_tree(parsed: list[str]) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(tree_of, ["a = 1"] * 40))
    assert all(each is tree_of("a = 1") for each in found)


def test_a_text_that_is_not_one_function_is_refused() -> None:
    assert function_in("def f():\n    pass\n").name == "f"
    with pytest.raises(ValueError, match="not one function"):
        function_in("def f():\n    pass\na = 1\n")
