"""Heads that take over a generic `forward` in one line, with the method written out, as a repository has it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from upstream.forwards import RETURNS
from upstream.spans import Span, substitute, with_imports
from upstream.values import PACKAGE, Tree


LAYERS = "modeling_layers"  # the module of transformers that has the generic heads


def spell_out_heads(modular: str, tree: Tree) -> str:
    """`forward = returns_quality_scores(Output)(Generic.forward)` -> a method with the inputs of the original.

    The signature is that of the generic head in `tree`; one that is not there stays as it is.
    """
    source = tree.read(f"{PACKAGE}/{LAYERS}.py") or ""
    generic = dict(_forwards(ast.parse(source)))
    imports: set[str] = set()
    for statement in reversed(list(_taken_over(ast.parse(modular)))):
        assert isinstance(statement.value, ast.Call)
        base = ast.unparse(statement.value.args[0]).removesuffix(".forward")
        if base in generic:
            written = _written_out(generic[base], base, ast.unparse(statement.value.func))
            modular = substitute(modular, Span(statement.lineno, statement.end_lineno or statement.lineno), written)
            imports |= set(_imports(ast.parse(source), generic[base]))
    return with_imports(modular, imports)


def _taken_over(tree: ast.Module) -> Iterator[ast.Assign]:
    """The statements `forward = returns_quality_scores(...)(....forward)` of classes."""
    for node in tree.body:
        for each in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(each, ast.Assign) and isinstance(each.value, ast.Call) and each.value.args:
                said = ast.unparse(each)
                if said.startswith(f"forward = {RETURNS}(") and said.endswith(".forward)"):
                    yield each


def _forwards(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        for each in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(node, ast.ClassDef) and isinstance(each, ast.FunctionDef) and each.name == "forward":
                yield node.name, each


def _written_out(method: ast.FunctionDef, base: str, wraps: str) -> str:
    inputs = method.args.args[1:]
    defaults = [*[None] * (len(inputs) - len(method.args.defaults)), *method.args.defaults]
    lines = ["self", *map(_parameter, inputs, defaults)]
    passed = ["self", *(f"{each.arg}={each.arg}" for each in inputs)]
    if method.args.kwarg is not None:
        lines.append(f"**{_parameter(method.args.kwarg, None)}")
        passed.append(f"**{method.args.kwarg.arg}")
    returned = f" -> {ast.unparse(method.returns)}" if method.returns else ""
    signature = "".join(f"        {line},\n" for line in lines)
    call = "".join(f"            {each},\n" for each in passed)
    return (
        f"\n    @{wraps}\n    def forward(\n{signature}    ){returned}:\n"
        f"        return {base}.forward(\n{call}        )\n"
    )


def _parameter(each: ast.arg, default: ast.expr | None) -> str:
    annotation = f": {ast.unparse(each.annotation)}" if each.annotation else ""
    return each.arg + annotation + (f" = {ast.unparse(default)}" if default else "")


def _imports(tree: ast.Module, method: ast.FunctionDef) -> Iterator[str]:
    """What a signature needs, as a model's own folder imports it."""
    parts = [method.args, *([method.returns] if method.returns else [])]
    names = {each.id for part in parts for each in ast.walk(part) if isinstance(each, ast.Name)}
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (f"import {alias.name}\n" for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom):
            module = ("..." if node.level else "") + (node.module or "")
            yield from (f"from {module} import {alias.name}\n" for alias in node.names if alias.name in names)
