"""Questions about trees: none of the answers depends on how a tree is laid out."""

from __future__ import annotations

import ast

import pytest
from syntax import queries


def expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def owner(text: str) -> ast.ClassDef:
    (node,) = queries.classes(ast.parse(text))
    return node


@pytest.mark.parametrize(
    ("text", "dotted", "last"),
    [
        ("Module", "Module", "Module"),
        ("torch.nn.Module", "torch.nn.Module", "Module"),
        ("(torch\n .nn).Module", "torch.nn.Module", "Module"),
        ("build().Module", "", "Module"),
        ("table[0].Module", "", "Module"),
        ("table['a.b']", "", ""),
        ("1", "", ""),
    ],
)
def test_what_something_is_called(text: str, dotted: str, last: str) -> None:
    assert (queries.dotted(expression(text)), queries.last_name(expression(text))) == (dotted, last)
    assert queries.callee(expression(f"({text})(x)")) == dotted and queries.callee(expression(text)) == ""


@pytest.mark.parametrize(
    ("one", "other", "are"),
    [
        ("f(a, b = 1)", "f( a,\n  b=1 )", True),
        ("'a'", '"a"', True),
        ("(a + b)", "a + b", True),
        ("a + b + c", "a + (b + c)", False),
        ("1", "True", False),
        ("1", "1.0", False),
        ("f(a)", "f(b)", False),
        ("[a, b]", "(a, b)", False),
    ],
)
def test_expressions_are_the_same_by_their_structure(one: str, other: str, are: bool) -> None:
    assert queries.same(expression(one), expression(other)) is are
    assert len({queries.form(expression(one)), queries.form(expression(other))}) == (1 if are else 2)


def test_a_target_is_the_same_as_its_value() -> None:
    (statement,) = ast.parse("self.a[0] = self.a[0]").body
    assert isinstance(statement, ast.Assign) and queries.same(statement.targets[0], statement.value)
    assert queries.same(None, None) and not queries.same(statement.value, None)


BODY = """
class Config(Base):
    '''Its docstring.'''
    first: int = 1
    second: int
    third = fourth = 2
    fifth, sixth = 3, 4
    self.seventh = 5
    eighth += 1
    def method(self): return super().method()
    async def later(self): pass
"""


def test_what_a_body_assigns() -> None:
    node = owner(BODY)
    assert [name for name, _ in queries.assignments(node.body)] == ["first", "third", "fourth"]
    assert list(queries.annotated(node)) == ["first", "second"]
    assert [name for each in node.body for name in queries.defined_names(each)] == [
        *("first", "second", "third", "fourth", "method", "later"),
    ]
    assert queries.value_of(node.body, "second") is None and queries.value_of(node.body, "sixth") is None
    fourth = queries.value_of(node.body, "fourth")
    assert fourth is not None and queries.is_number(fourth, 2)
    assert [each for each in node.body if queries.assigns(each, "second")] == [node.body[2]]


def test_what_a_body_defines() -> None:
    node = owner(BODY)
    assert [each.name for each in queries.methods(node)] == ["method"]
    assert queries.method(node, "method") is queries.methods(node)[0] and queries.method(node, "later") is None
    assert queries.calls_above(queries.methods(node)[0]) and not queries.calls_above(node.body[-1])
    assert queries.documented(node) and queries.behind_docstring(node) == node.body[1:]
    assert queries.behind_docstring(queries.methods(node)[0]) == queries.methods(node)[0].body


def test_decorators_go_by_their_last_name() -> None:
    node = owner("@nn.once\n@twice(x)\n@table[0]\nclass A: pass")
    assert queries.decorators(node) == ["once", "twice", ""] and queries.decorators(ast.parse("a = 1").body[0]) == []


def test_what_a_module_exports_is_said_last() -> None:
    assert queries.exported(ast.parse("__all__ = ['a']\n__all__: list[str] = ['b', c, 1]")) == ["b"]
    assert queries.exported(ast.parse("a = ['a']")) == []


def test_what_statements_bind() -> None:
    tree = ast.parse("import a.b\nfrom c import d as e, f\ng = h = 1\ndef i(): pass\nfor j in k: pass")
    assert [queries.bound_names(each) for each in tree.body] == [["a.b"], ["e", "f"], ["g", "h"], ["i"], []]


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("-1", -1), ("- (1)", -1), ("0", 0)])
def test_numbers_that_are_spelt_out(text: str, number: int) -> None:
    assert queries.is_number(expression(text), number) and not queries.is_number(expression(text), number + 1)
    assert not queries.is_number(expression(text), -number) or not number


@pytest.mark.parametrize("text", ["True", "1.0", "'1'", "+1", "a"])
def test_what_is_no_such_number(text: str) -> None:
    assert not queries.is_number(expression(text), 1)


def test_a_negative_zero_is_no_number_that_anybody_asks_for() -> None:
    assert not queries.is_number(expression("-0"), 0) and queries.is_number(expression("0"), 0)


def test_strings_of_lists_and_tables() -> None:
    assert queries.strings(expression("['a', b, 1, 'c']")) == ("a", "c")
    assert queries.strings(expression("{'a': 1, **b}")) == ("a",)
    assert queries.strings(expression("a")) == queries.strings(None) == ()


def test_calls_and_names_of_several_trees() -> None:
    one, other = expression("f(g(a))"), expression("h.i(b)")
    assert [queries.callee(each) for each in queries.calls(one, None, other)] == ["f", "g", "h.i"]
    assert queries.names_in(one, other) == {"f", "g", "a", "h", "b"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("torch.empty(3).uniform_()", "torch"),
        ("self.layers[0](x).y", "self"),
        ("a", "a"),
        ("'a'.join(b)", ""),
        ("(a + b).c", ""),
    ],
)
def test_what_an_expression_begins_with(text: str, name: str) -> None:
    assert queries.root(expression(text)) == name


@pytest.mark.parametrize(
    ("text", "types"),
    [("float | int | None", ["float", "int", "None"]), ("a & b", ["a & b"]), ("Union[a, b]", ["Union[a, b]"])],
)
def test_alternatives_of_an_annotation(text: str, types: list[str]) -> None:
    assert [ast.unparse(each) for each in queries.alternatives(expression(text))] == types


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("super().f(x)", "f"),
        ("return super().f()", "f"),
        ("return super(A, self).f()", "f"),
        ("super().f.g()", None),
        ("x = super().f()", None),
        ("return super().f() + 1", None),
        ("super()", None),
        ("return", None),
        ("above().f()", None),
        ("return super().f", None),
    ],
)
def test_statements_that_call_above(text: str, method: str | None) -> None:
    (function,) = ast.parse(f"def f(self):\n    {text}").body
    assert isinstance(function, ast.FunctionDef)
    assert queries.called_super(function.body[0]) == method
    assert queries.is_super_call(function.body[0], "f") is (method == "f")
    assert (queries.call_of_super(function.body[0]) is None) is (method is None)


def test_parts_are_told_by_the_first_target_and_every_call_in_it() -> None:
    (node,) = ast.parse("def f(self):\n    self.a = x = b(c())\n    y = self.d = e()\n    self.g: int = h()").body
    assert isinstance(node, ast.FunctionDef)
    assert [(name, queries.callee(call)) for name, call, _ in queries.assigned_calls(node)] == [("a", "b"), ("a", "c")]
