"""What a definition needs when its module is imported stands above it, and nothing else moves."""

from __future__ import annotations

import pytest
from syntax.import_time import sort_for_import


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
