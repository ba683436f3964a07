"""What a definition needs when its module is imported stands above it, and nothing else moves."""

from __future__ import annotations

import pytest
from syntax.import_time import Needs, needed_at_import, needs_of, read_needs, sort_for_import


BASE = "class Base:\n    pass\n"


@pytest.mark.parametrize(
    "text",
    [
        "class A(Base):\n    pass\n",
        "@Base\ndef A():\n    pass\n",
        "class A:\n    @print(Base)\n    def f(self):\n        pass\n",
        "def A(x=Base):\n    pass\n",
        "def A(x: Base):\n    pass\n",
        "A = {'b': Base}\n",
        "class A:\n    b = [Base for _ in range(2)]\n",
    ],
)
def test_what_is_needed_at_import_is_moved_up(text: str) -> None:
    assert list(sort_for_import({"A": text, "Other": "Other = 1\n", "Base": BASE})) == ["Base", "A", "Other"]


@pytest.mark.parametrize(
    "text",
    [
        "def A():\n    return Base()\n",
        "class A:\n    def f(self, x=1):\n        return Base()\n",
        "A = lambda: Base\n",
        "A = 'Base'  # Base\n",
    ],
)
def test_what_is_needed_later_stays(text: str) -> None:
    assert list(sort_for_import({"A": text, "Base": BASE})) == ["A", "Base"]


def test_what_a_called_function_needs_is_moved_up_too() -> None:
    body = {
        "make": "def make():\n    return more()\n",
        "A": "A = make()\n",
        "more": "def more():\n    return B\n",
        "B": "B = 1\n",
    }
    assert list(sort_for_import(body)) == ["make", "more", "B", "A"]


def test_what_moves_up_brings_what_it_needs() -> None:
    body = {"C": "class C(B):\n    pass\n", "A": "class A:\n    pass\n", "B": "class B(A):\n    pass\n"}
    assert list(sort_for_import(body)) == ["A", "B", "C"]


def test_circles_and_what_is_kept_apart_stay() -> None:
    body = {"A": "class A(B):\n    pass\n", "B": "class B(A):\n    pass\n"}
    assert sorted(sort_for_import(body)) == ["A", "B"]
    assert list(sort_for_import({"A": "A = B\n", "B": "B = 1\n"}, apart={"B"})) == ["A", "B"]


@pytest.mark.parametrize(
    ("text", "read", "called", "mentioned"),
    [
        ("A = make(B)", {"make", "B"}, {"make"}, {"make", "B"}),
        ("@once\nclass A(B, metaclass=C): pass", {"once", "B", "C"}, {"once"}, {"once", "B", "C"}),
        ("@nn.once\ndef f(x=D): return E", {"nn", "D"}, set(), {"nn", "D", "E"}),
        ("@once(F)\nasync def f(): await g()", {"once", "F"}, {"once"}, {"once", "F", "g"}),
        ("A = lambda x=B: C()", {"B"}, set(), {"B", "C"}),
        ("class A:\n    def f(self, x: B = C): return D", {"B", "C"}, set(), {"B", "C", "D"}),
        ("A[B] = C.d()", {"A", "B", "C"}, set(), {"A", "B", "C"}),
        ("for a in B: C(a)", {"B", "C", "a"}, {"C"}, {"B", "C", "a"}),
        ("no python", set(), set(), set()),
        ("a\0", set(), set(), set()),
    ],
)
def test_what_a_definition_reads_and_calls_when_it_is_imported(
    text: str, read: set[str], called: set[str], mentioned: set[str]
) -> None:
    expected = Needs(frozenset(read), frozenset(called), frozenset(mentioned))
    assert read_needs(text) == expected
    assert needs_of({"one": "one = 1", "two": text, "three": "three = four"}) == {
        "one": read_needs("one = 1"),
        "two": expected,
        "three": read_needs("three = four"),
    }


def test_definitions_of_several_statements_keep_what_is_theirs() -> None:
    found = needs_of({"A": "A = B\nA += C\n", "D": "", "E": "E = F\n"})
    assert [sorted(found[name].read) for name in "ADE"] == [["B", "C"], [], ["F"]]


def test_functions_that_are_called_at_import_bring_what_they_call() -> None:
    needs = needs_of(
        {
            "A": "A = f()",
            "f": "def f():\n    return g(B)",
            "g": "def g():\n    return f(), C",
            "h": "def h():\n    return D",
        }
    )
    assert needed_at_import("A", needs) == {"f", "g", "B", "C"}
    assert needed_at_import("h", needs) == needed_at_import("nothing", needs) == set()


def test_no_python_stays_where_it_is() -> None:
    body = {"A": "class A(B:\n", "B": "B = 1\n"}
    assert sort_for_import(body) == body and list(sort_for_import(body)) == ["A", "B"]
