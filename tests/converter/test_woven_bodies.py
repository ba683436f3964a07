"""The parent's body where the delta calls `super()`: what replaces what, what goes last, and what is dropped."""

from __future__ import annotations

import ast

import pytest
from syntax.queries import call_of_super, called_super

from converter.merge.bodies import assigned, deleted, place_of_super
from converter.merge.methods import clean_method, merge_method


def method(*lines: str, header: str = "def __init__(self):") -> str:
    return "".join(f"    {line}\n" for line in (header, *(f"    {each}" for each in lines)))


def woven(parent: list[str], delta: list[str], bases: tuple[str, ...] = ()) -> list[str]:
    """The statements of a constructor that is made of two."""
    text = merge_method(method(*parent), method(*delta), bases, {})
    ast.parse(f"class A:\n{text}")
    return [line.strip() for line in text.splitlines()[1:]]


SUPER = "super().__init__()"


@pytest.mark.parametrize(
    ("parent", "delta", "merged"),
    [
        (["self.a = 1", "self.b = 2"], [SUPER], ["self.a = 1", "self.b = 2"]),
        (["self.a = 1"], ["self.b = 2"], ["self.b = 2"]),  # nothing asks for the parent's
        (["self.a = 1"], [SUPER, "self.b = 2"], ["self.a = 1", "self.b = 2"]),
        (["self.a = 1"], ["self.b = 2", SUPER], ["self.b = 2", "self.a = 1"]),
        (["self.a = 1", "self.b = 2"], [SUPER, "self.a = 3"], ["self.a = 3", "self.b = 2"]),
        (["self.a = 1", "self.b = 2"], ["self.a = 3", SUPER], ["self.a = 3", "self.a = 1", "self.b = 2"]),
        (["self.a = 1", "self.b = 2"], [SUPER, "del self.a"], ["self.b = 2"]),
        (["self.a: int = 1"], [SUPER, "self.a = 3"], ["self.a = 3"]),
        (["self.a = self.b = 1"], [SUPER, "self.a = 3"], ["self.a = self.b = 1", "self.a = 3"]),
        (["self.a = 1", "f(self)"], [SUPER, "f(self)", "g(self)"], ["self.a = 1", "f(self)", "g(self)"]),
        (["self.post_init()", "self.a = 1"], [SUPER, "self.b = 2"], ["self.a = 1", "self.b = 2", "self.post_init()"]),
        (["self.post_init()"], [SUPER, "self.post_init()"], ["self.post_init()"]),
        ([SUPER, "self.a = 1"], ["self.b = 2", SUPER], [SUPER, "self.b = 2", "self.a = 1"]),
        ([SUPER], [SUPER, "self.b = 2"], [SUPER, "self.b = 2"]),
        ([SUPER, "nn.Module.reset(self)"], [SUPER], [SUPER, "nn.Module.reset(self)"]),
        ([SUPER], [SUPER, "nn.Module.reset(self)"], [SUPER, "super().reset()"]),  # the delta's own is put right
    ],
)
def test_two_constructors_are_one(parent: list[str], delta: list[str], merged: list[str]) -> None:
    assert woven(parent, delta, bases=("nn.Module",)) == merged


def test_what_one_method_assigns_replaces_assignments_of_the_methods_after_it() -> None:
    """As in the reference, whose table is one for a class."""
    carried: dict[str, object] = {}
    merge_method(method("self.a = 1"), method(SUPER, "self.a = 3"), (), carried)
    header = "def reset(self):"
    text = merge_method(method("self.a = 1", header=header), method("super().reset()", header=header), (), carried)
    assert text == method("self.a = 3", header=header)


def test_comments_and_docstrings_come_along() -> None:
    parent = method('"""The parent\'s."""', "self.a = 1  # why", "# of b", "self.b = 2")
    assert woven_text(parent, method(SUPER, "self.c = 3")) == method(
        '"""The parent\'s."""', "self.a = 1  # why", "# of b", "self.b = 2", "self.c = 3"
    )
    own = method('"""The delta\'s."""', SUPER)
    assert '"""The delta\'s."""' in woven_text(parent, own) and "The parent" not in woven_text(parent, own)


def woven_text(parent: str, delta: str) -> str:
    return merge_method(parent, delta, (), {})


def test_a_method_that_the_parent_lacks_is_kept_as_it_is_but_for_calls_of_bases() -> None:
    text = method("nn.Module.__init__(self)", "other.Module.__init__(self)")
    assert clean_method(text, ("nn.Module",)) == method("super().__init__()", "other.Module.__init__(self)")
    assert clean_method(text, ("Base",)) == text


def statement(code: str) -> ast.stmt:
    return ast.parse(code).body[0]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("super().f(1)", "f"),
        ("return super().f()", "f"),
        ("super(A, self).f()", "f"),
        ("x = super().f()", None),
        ("super().f", None),
        ("super().f().g()", None),
        ("self.f()", None),
        ("if a: super().f()", None),
        ("f(super().f())", None),
    ],
)
def test_only_a_whole_statement_calls_super(code: str, name: str | None) -> None:
    node = statement(f"def g():\n    {code}").body[0]  # type: ignore[attr-defined]
    assert called_super(node) == name and (call_of_super(node) is None) == (name is None)
    assert place_of_super("f", [statement("pass"), node, node]) == (1 if name else None)
    assert place_of_super("other", [node]) is None


@pytest.mark.parametrize(
    ("code", "target", "gone"),
    [
        ("self.a = 1", "self.a", None),
        ("a: int = 1", "a", None),
        ("a, b = c", "(a, b)", None),
        ("a = b = c", "a = b", None),
        ("a += 1", None, None),
        ("del self.a", None, "self.a"),
        ("del a, b", None, None),
    ],
)
def test_what_a_statement_assigns_and_deletes(code: str, target: str | None, gone: str | None) -> None:
    assert (assigned(statement(code)), deleted(statement(code))) == (target, gone)
