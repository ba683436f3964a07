"""A module as text with its tree: what defines what, what is imported from where, and what a class has."""

from __future__ import annotations

import ast

import pytest
from diagnostics.errors import ConversionError
from syntax.modules import read_module
from syntax.queries import assigned_calls, is_self, is_super_call, names_in
from syntax.source import Source


TEXT = """
import os.path
import numpy as np
from . import beside
from ..llama.modeling_llama import LlamaMLP as MLP
from torch import nn

if found:
    import flash
    GUARDED = 1

SIZE: int = 3
FIRST = SECOND = 4

class Base(nn.Module):
    size = 1

    def forward(self):
        return 1

class Middle(Base, nn.Module):
    width: int = 2

class Last(Middle):
    def __init__(self):
        self.part, self.other = a(), b()
        self.norm = nn.Norm(SIZE) if SIZE else make(nn.Norm)
        local = nn.Norm()
"""
MODULE = read_module(Source("modeling_x.py", "transformers.models.x.modeling_x", TEXT))


def test_definitions_are_all_names_that_statements_make_behind_guards_too() -> None:
    assert list(MODULE.definitions) == ["GUARDED", "SIZE", "FIRST", "SECOND", "Base", "Middle", "Last"]
    assert list(MODULE.classes) == ["Base", "Middle", "Last"]


def test_imports_say_from_where() -> None:
    assert MODULE.imports == {
        "os": ("os.path", None),
        "np": ("numpy", None),
        "beside": ("transformers.models.x", "beside"),
        "MLP": ("transformers.models.llama.modeling_llama", "LlamaMLP"),
        "nn": ("torch", "nn"),
        "flash": ("flash", None),
    }


def test_a_class_has_the_methods_of_its_ancestors() -> None:
    last = MODULE.classes["Last"]
    assert [each.name for each in MODULE.lineage(last)] == ["Last", "Middle", "Base"]
    assert MODULE.method(last, "forward") is MODULE.own_method(MODULE.classes["Base"], "forward") is not None
    assert MODULE.own_method(last, "forward") is None and MODULE.method(last, "backward") is None


def test_attributes_are_those_of_the_class_itself() -> None:
    middle = MODULE.classes["Middle"]
    assert ast.unparse(MODULE.attribute(middle, "width")) == "2" and MODULE.attribute(middle, "size") is None


def test_parts_are_told_with_the_calls_that_make_them() -> None:
    found = assigned_calls(MODULE.own_method(MODULE.classes["Last"], "__init__"))
    assert [(name, ast.unparse(call)) for name, call, _ in found] == [
        ("norm", "nn.Norm(SIZE)"),
        ("norm", "make(nn.Norm)"),
    ]
    assert list(assigned_calls(None)) == []


@pytest.mark.parametrize(("text", "line"), [("x = 1\ny = (", 2), ("x = \0", 1)])
def test_what_is_no_python_is_refused_at_its_place(text: str, line: int) -> None:
    with pytest.raises(ConversionError) as error:
        read_module(Source("modeling_x.py", "x", text))
    (problem,) = error.value.diagnostics
    assert (problem.code, problem.path, problem.line) == ("unreadable-base", "modeling_x.py", line)


def test_small_questions() -> None:
    tree = ast.parse("self.a = b\nother.a\nsuper().f()\nsuper().g")
    assert [is_self(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)].count(True) == 1
    assert names_in(tree) == {"self", "b", "other", "super"}
    assert [is_super_call(each, "f") for each in tree.body] == [False, False, True, False]
    assert not is_super_call(tree.body[2], "g")
