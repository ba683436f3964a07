"""Small questions about forwards, and documentation of arguments entry by entry: text in, text out."""

from __future__ import annotations

import ast

import pytest
from diagnostics.errors import ConversionError
from syntax.modules import read_module
from syntax.source import Source
from syntax.trees import function_in
from weave.docstrings import described, entry_names, without_entries
from weave.documented import intro
from weave.forwards import calls_of, coefficient_of, forward_of, mentions, rest_of
from weave.signatures import header, spelled_out


def forward(body: str, parameters: str = "self, x") -> ast.FunctionDef:
    return function_in(f"def forward({parameters}):\n    {body}")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("loss += self.router_aux_loss_coef * aux_loss", "router_aux_loss_coef"),
        ("loss += self.coef * aux_loss.to(loss.device)", "coef"),
        ("if a:\n        loss += self.coef * aux_loss", "coef"),
        ("loss += aux_loss * self.coef", ""),
        ("loss = loss + self.coef * aux_loss", ""),
        ("loss += self.coef * other_loss", ""),
        ("loss += other.coef * aux_loss", ""),
        ("other += self.coef * aux_loss", ""),
        ("loss -= self.coef * aux_loss", ""),
    ],
)
def test_what_weighs_the_load_balancing_loss(body: str, name: str) -> None:
    assert coefficient_of(forward(body)) == name


@pytest.mark.parametrize(
    ("code", "there"),
    [
        ("cache", True),
        ("self.cache", True),
        ("f(cache=1)", True),
        ("def cache(): ...", True),
        ("lambda cache: 1", True),
        ("'the cache of it'", True),
        ("class cache: ...", True),
        ("'caches'", False),
        ("caches", False),
        ("f(x)  # cache", False),
        ("1", False),
    ],
)
def test_whether_a_word_is_mentioned(code: str, there: bool) -> None:
    assert mentions(ast.parse(code), "cache") is there


def test_calls_are_told_by_their_whole_name() -> None:
    found = calls_of(forward("return self.model(x) + self.model.f(x) + model(self.model(y))"), "self.model")
    assert [ast.unparse(each) for each in found] == ["self.model(x)", "self.model(y)"]


@pytest.mark.parametrize(
    ("parameters", "name"), [("self, **more", "more"), ("self, *args", "kwargs"), ("self", "kwargs")]
)
def test_the_rest_of_what_a_forward_takes(parameters: str, name: str) -> None:
    assert rest_of(forward("pass", parameters)) == name


def test_a_class_without_a_forward_is_refused_at_its_line() -> None:
    module = read_module(Source("x.py", "x", "class A:\n    def forward(self): ...\nclass B(A): ...\nclass C: ...\n"))
    assert forward_of(module, module.classes["B"]) is forward_of(module, module.classes["A"])
    with pytest.raises(ConversionError, match=r"x\.py:4:1: no-forward: C has no forward"):
        forward_of(module, module.classes["C"])


@pytest.mark.parametrize(
    ("text", "inputs", "returned", "expected"),
    [
        ("def forward(self, x): return x", ("a: int = 1",), "", "def forward(self, x, *, a: int = 1): return x"),
        ("def forward(self, *x): return x", ("a",), "Out", "def forward(self, *x, a) -> Out: return x"),
        ("def forward(self, *, b): ...", ("a",), "", "def forward(self, *, b, a): ..."),
        ("def forward(self, **k): ...", ("a=1", "b=2"), "", "def forward(self, *, a=1, b=2, **k): ..."),
        ("def forward(self) -> Old: ...", (), "", "def forward(self) -> Old: ..."),
        ("def forward(self) -> Old: ...", (), "A | B", "def forward(self) -> A | B: ..."),
        (
            "@once\ndef forward(self):  # why\n    def inner(x): ...\n",
            ("a",),
            "Out",
            "@once\ndef forward(self, *, a) -> Out:  # why\n    def inner(x): ...\n",
        ),
    ],
)
def test_a_forward_names_more_inputs_and_what_it_returns(
    text: str, inputs: tuple[str, ...], returned: str, expected: str
) -> None:
    assert spelled_out(text, inputs, returned) == expected


def test_parts_of_a_header_stand_behind_those_of_the_base() -> None:
    assert header(("a: int", "b"), "Out") == {"inputs": ", *, a: int, b", "returns": "Out"}
    assert header((), "") == {"inputs": "", "returns": ""}


ENTRIES = """\
size (`int`, *optional*):
    How large.
    And more.
width (`int`):
    How wide.

Example:
    >>> f()"""


@pytest.mark.parametrize(
    ("names", "left"),
    [
        ((), ENTRIES),
        (("other", "How"), ENTRIES),
        (("size",), ENTRIES.partition("    And more.\n")[2]),
        (("width",), "size (`int`, *optional*):\n    How large.\n    And more.\n\nExample:\n    >>> f()"),
        (("size", "width"), "Example:\n    >>> f()"),
    ],
)
def test_entries_go_with_all_their_lines_and_nothing_else(names: tuple[str, ...], left: str) -> None:
    assert without_entries(ENTRIES, names) == left


@pytest.mark.parametrize("heading", ["Args", "Arguments", "Parameters"])
def test_a_heading_goes_with_the_last_of_its_entries(heading: str) -> None:
    said = f"Says.\n\n{heading}:\n    size (`int`):\n        How large.\n    width (`int`):\n        How wide."
    assert without_entries(said, ["size", "width"]) == "Says."
    assert without_entries(said, ["size"]) == f"Says.\n\n{heading}:\n    width (`int`):\n        How wide."


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", "new (`int`):\n    It."),
        ("size (`int`):\n    Large.", "size (`int`):\n    Large.\nnew (`int`):\n    It."),
        (
            "Args:\n    size (`int`):\n        Large.",
            "Args:\n    size (`int`):\n        Large.\n    new (`int`):\n        It.",
        ),
        (
            "size (`int`):\n    Large.\n\nExample:\n    >>> f()",
            "size (`int`):\n    Large.\nnew (`int`):\n    It.\n\nExample:\n    >>> f()",
        ),
        ("Returns:\n    `int`", "new (`int`):\n    It.\n\nReturns:\n    `int`"),
        ("```python\n>>> f()\n```", "new (`int`):\n    It.\n\n```python\n>>> f()\n```"),
    ],
)
def test_new_entries_stand_behind_the_others_and_as_far_in(said: str, expected: str) -> None:
    assert described(said, "new (`int`):\n    It.") == expected
    assert entry_names(expected)[-1] == "new" and without_entries(expected, ["new"]).split() == said.split()


def test_entries_are_lines_with_a_type() -> None:
    said = "size (`int`):\n    of it (`all`)\nwidth (int):\n  height (`int`, *optional*, defaults to `(1, 2)`):\nx: (`int`)"
    assert entry_names(said) == ["size", "width", "height"]
    assert entry_names("nothing (of this)\n(`a`)") == []


@pytest.mark.parametrize(
    ("text", "decorator"),
    [
        ("", "auto_docstring"),
        ("It is.", 'auto_docstring(custom_intro="It is.")'),
        ('It "is"\n    so.', 'auto_docstring(custom_intro="It \\"is\\" so.")'),
        (" \n ", "auto_docstring"),
    ],
)
def test_what_introduces_a_class_is_one_line(text: str, decorator: str) -> None:
    assert intro(text) == decorator
    ast.parse(decorator)
