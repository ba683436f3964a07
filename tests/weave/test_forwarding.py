"""Forwards that hand on more than they did, and nothing else about them changed."""

from __future__ import annotations

import ast

import pytest
from toy_deltas import forward, function, module
from weave.forwarding import (
    add_argument,
    add_parameter,
    add_rest,
    asks,
    dedent_function,
    has_rest,
    indent_function,
    rename,
    rename_members,
    with_docstring,
    with_name,
    without_tuples,
)
from weave.gate import Argument


ASKED = Argument("output_scores", "bool", "False", "Whether to score.")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def f(self, x): pass", "def f(self, x, y: int = 1): pass"),
        ("def f(self, x, **kwargs): pass", "def f(self, x, y: int = 1, **kwargs): pass"),
        ("def f(self, x, *, z=2): pass", "def f(self, x, *, z=2, y: int = 1): pass"),
        ("def f(self):\n    def g(x): pass", "def f(self, y: int = 1):\n    def g(x): pass"),
        ("def f(\n    self,\n    x,\n): pass", "def f(\n    self,\n    x,\ny: int = 1): pass"),
    ],
)
def test_one_parameter_more_and_only_the_outermost_function(before: str, after: str) -> None:
    assert add_parameter(before, "y: int = 1") == after
    compile(after, "after", "exec")


def test_the_rest_is_taken_once() -> None:
    assert add_rest("def f(self, x): pass") == "def f(self, x, **kwargs): pass"
    assert add_rest("def f(self, **rest): pass") == "def f(self, **rest): pass"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("self.model(x)", "self.model(x, y=y)"),
        ("self.model(x,  # why\n    )", "self.model(x,  # why\n    y=y,  # why\n    )"),
        ("self.model(x, **kwargs)", "self.model(x, **kwargs)"),
        ("self.other(x)", "self.other(x)"),
    ],
)
def test_one_argument_more_where_the_rest_is_not_handed_on(before: str, after: str) -> None:
    assert (
        add_argument(before, {"self.model"}, "y=y").replace("  # why\n", "\n").split()
        == after.replace("  # why\n", "\n").split()
    )


def test_names_change_in_code_and_not_in_strings_or_comments() -> None:
    assert rename('x = Toy("Toy", a.Toy)  # Toy\n', {"Toy": "Gated"}) == 'x = Gated("Toy", a.Gated)  # Toy\n'
    assert rename_members("    x = Toy", {"Toy": "Gated"}) == "    x = Gated"
    assert rename_members("", {"Toy": "Gated"}) == ""


def test_methods_are_taken_out_and_put_back() -> None:
    text = "class A:\n    @decorated\n    def f(self):\n        x = 1\n\n        return x\n"
    toy = module(text)
    method = toy.own_method(toy.classes["A"], "f")
    assert method is not None
    assert dedent_function(toy, method) == "def f(self):\n    x = 1\n\n    return x\n"
    assert indent_function(dedent_function(toy, method)) == "    def f(self):\n        x = 1\n\n        return x"


def test_a_forward_is_asked_and_says_so_where_arguments_are_documented() -> None:
    text = forward('"""\nx (`int`):\n    A number.\n\nExample:\n\n>>> 1\n"""\nreturn x', "self, x")
    found = asks(text, [ASKED], documents=True)
    assert "def forward(self, x, output_scores: bool = False):" in found
    entry, example = found.index("output_scores (`bool`, *optional*, defaults to `False`):"), found.index("Example:")
    assert found.index("A number.") < entry < example
    assert function(found).args.args[-1].arg == "output_scores"
    assert "Whether" not in asks(text, [ASKED]) and asks(text, []) == text


def test_docstrings_are_put_in_changed_and_taken_away() -> None:
    plain = "def f(x):\n    return x\n"
    told = with_docstring(plain, "Says.")
    assert told == 'def f(x):\n    r"""\n    Says."""\n    return x\n'
    assert with_docstring(told, "More.") == told.replace("Says", "More") and with_docstring(told, "") == plain


def test_whether_the_rest_is_handed_on() -> None:
    calls = [function(f"def f():\n    {call}\n").body[0].value for call in ("g(x, **kwargs)", "g(x)")]
    assert [has_rest(each) for each in calls] == [True, False]


def test_a_function_gets_another_name_and_those_inside_keep_theirs() -> None:
    text = "@once\ndef f(x):  # def f(\n    def f(): ...\n    return f(x)\n"
    assert with_name(text, "g") == text.replace("def f(x)", "def g(x)")


@pytest.mark.parametrize("choice", ["return_dict is not None", "(\n        return_dict is not None\n    )"])
def test_an_older_forward_leaves_tuples_to_the_decorators(choice: str) -> None:
    text = "def f(self, return_dict=None):\n    {}\n    return return_dict\n"
    older = text.format(f"return_dict = return_dict if {choice} else self.config.use_return_dict")
    assert without_tuples(older) == text.format("return_dict = True  # the decorators make tuples")
    for other in (
        "return_dict = True",
        "x = return_dict if return_dict is not None else self.config.x",
        "# return_dict",
    ):
        assert without_tuples(text.format(other)) == text.format(other)


def test_what_is_asked_is_described_before_what_is_returned() -> None:
    said = 'r"""\n    x (`int`):\n        A token.\n\n    Returns:\n        A number.\n    """'
    text = asks(f"def forward(self, x):\n    {said}\n    return x\n", [ASKED], documents=True)
    inside = ast.get_docstring(ast.parse(text).body[0])  # type: ignore[arg-type]
    assert inside == f"x (`int`):\n    A token.\n{ASKED.entry}\n\nReturns:\n    A number."
