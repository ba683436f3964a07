"""Forwards that hand on what the gates are asked: signatures and calls with one more argument, names renamed."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence

import libcst as cst
from syntax.modules import Function, Module, module_of
from syntax.queries import dotted
from syntax.statements import edited, replaced
from syntax.trees import function_in, tree_of

from weave.docstrings import described
from weave.gate import Argument
from weave.outermost import Outermost


def dedent_function(module: Module, function: Function) -> str:
    """The text of a method at the left margin, without decorators."""
    indent = function.col_offset
    lines = module.text(function).split("\n")
    return "\n".join(line[indent:] if line[:indent].isspace() else line for line in lines) + "\n"


def indent_function(text: str) -> str:
    """The text of a function as a method of a class."""
    return "\n".join(f"    {line}" if line else "" for line in text.rstrip("\n").split("\n"))


def rename(text: str, names: Mapping[str, str]) -> str:
    """Rename classes in code; strings and comments stay as they are."""
    return cst.parse_module(text).visit(_Renamer(names)).code


def rename_members(text: str, names: Mapping[str, str]) -> str:
    """The same for members of a class, indented as they stand there."""
    if not text:
        return ""
    head = "class Members:\n"
    return rename(f"{head}{text}\n", names).removeprefix(head).rstrip("\n")


def add_parameter(text: str, parameter: str) -> str:
    """A function with one more parameter, after all others but `**kwargs`. `parameter` is "name: type = default"."""
    tree = cst.parse_module(text)
    function = cst.parse_statement(f"def f({parameter}): pass")
    assert isinstance(function, cst.FunctionDef)
    [added] = function.params.params
    return tree.visit(_Parameters(added)).code


def add_rest(text: str) -> str:
    """A function that takes `**kwargs`, if it did not."""
    return cst.parse_module(text).visit(_Rest()).code


def with_name(text: str, name: str) -> str:
    """A function under another name."""
    return cst.parse_module(text).visit(_Named(name)).code


def add_argument(text: str, callees: Collection[str], argument: str) -> str:
    """A function whose calls of `callees` ("self.model", "block") have one more argument: "name=value" or "**kwargs"."""
    return cst.parse_module(text).visit(_Arguments(frozenset(callees), argument)).code


def with_docstring(text: str, docstring: str) -> str:
    """A function with another docstring, given as its lines at the left margin; without any where that is empty."""
    function = function_in(text)
    lines = text.split("\n")
    first, *rest = function.body
    if ast.get_docstring(function) is not None:
        start, end = first.lineno - 1, first.end_lineno
        del lines[start:end]
    else:
        start = first.lineno - 1
    quoted = [f'r"""\n{docstring}"""'] if docstring else []
    added = "\n".join(quoted).split("\n") if quoted else []
    lines[start:start] = [f"    {line}" if line else "" for line in added]
    return "\n".join(lines)


def docstring_of(text: str) -> str:
    """The docstring of a function, given as its text; "" where there is neither."""
    function = next(iter(tree_of(text).body), None)
    return ast.get_docstring(function) or "" if isinstance(function, Function) else ""


def asks(text: str, asked: Sequence[Argument], documents: bool = False) -> str:
    """A forward that takes what the gates are asked, and says so where its docstring is checked."""
    for each in asked:
        text = add_parameter(text, f"{each.name}: {each.type} = {each.default}")
    if not documents or not asked:
        return text
    function = function_in(text)
    whole = described(ast.get_docstring(function) or "", "\n".join(each.entry for each in asked))
    return with_docstring(text, whole if whole.endswith("```") else f"{whole}\n")  # quotes close right behind a fence


def own_tuples(tree: ast.AST) -> Iterator[ast.Assign]:
    """The statements by which an older forward has its configuration say whether to return a tuple."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(
                targets=[ast.Name("return_dict")], value=ast.IfExp(body=ast.Name("return_dict")) as choice
            ):
                if dotted(choice.orelse).startswith("self.config."):
                    yield node


def without_tuples(text: str) -> str:
    """An older forward that leaves it to the decorators to make tuples."""
    module = module_of(text)
    always = "return_dict = True  # the decorators make tuples"
    edits = [replaced(each, " " * each.col_offset + always) for each in own_tuples(module.tree)]
    return edited(module, edits).source.text


def has_rest(call: ast.Call) -> bool:
    """Whether a call hands on `**kwargs`."""
    return any(keyword.arg is None for keyword in call.keywords)


class _Renamer(cst.CSTTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__()
        self.names = names

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        return updated_node.with_changes(value=self.names.get(updated_node.value, updated_node.value))


class _Parameters(Outermost):
    """Adds a parameter."""

    def __init__(self, added: cst.Param) -> None:
        super().__init__()
        self.added = added

    def change(self, function: cst.FunctionDef) -> cst.FunctionDef:
        own = function.params
        keyword_only = bool(own.kwonly_params)
        parameters = list(own.kwonly_params if keyword_only else own.params)
        comma = parameters[-1].comma
        if comma is cst.MaybeSentinel.DEFAULT:
            comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        parameters[-1] = parameters[-1].with_changes(comma=comma)
        parameters.append(self.added.with_changes(comma=comma if own.star_kwarg else cst.MaybeSentinel.DEFAULT))
        changed = {"kwonly_params" if keyword_only else "params": parameters}
        return function.with_changes(params=own.with_changes(**changed))


class _Rest(Outermost):
    """Adds `**kwargs`."""

    def change(self, function: cst.FunctionDef) -> cst.FunctionDef:
        if function.params.star_kwarg:
            return function
        added = cst.Param(cst.Name("kwargs"), star="**")
        return function.with_changes(params=function.params.with_changes(star_kwarg=added))


class _Named(Outermost):
    """Gives another name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = cst.Name(name)

    def change(self, function: cst.FunctionDef) -> cst.FunctionDef:
        return function.with_changes(name=self.name)


class _Arguments(cst.CSTTransformer):
    """Adds an argument to some calls."""

    def __init__(self, callees: frozenset[str], argument: str) -> None:
        super().__init__()
        call = cst.parse_expression(f"f({argument})")
        assert isinstance(call, cst.Call)
        self.callees, self.argument = callees, call.args[0]

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        code = cst.Module([]).code_for_node(updated_node.func)
        if code not in self.callees or any(arg.star == "**" for arg in updated_node.args):
            return updated_node
        last = updated_node.args[-1]
        comma = last.comma
        if comma is cst.MaybeSentinel.DEFAULT:
            comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        added = self.argument.with_changes(comma=last.comma)
        args = [*updated_node.args[:-1], last.with_changes(comma=comma), added]
        return updated_node.with_changes(args=args)
