"""What the gates add to a call of a model, said in the documentation of every `forward` that takes it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping

from upstream.decorators import DOCUMENTED, name_of
from upstream.spans import Span, insert_above, substitute


RETURNS = "returns_quality_scores"
INPUTS = "QUALITY_GATE_INPUTS"
# Their order here is that of the signature. transformers' own text for the second speaks of experts alone.
ENTRIES = """\
    quality_labels (`torch.Tensor` of shape `(batch_size,)`, *optional*):
        Labels for the quality loss: 1 for a sample of the quality to train for, 0 for any other, negative where it is
        not known.
    output_router_logits (`bool`, *optional*):
        Whether to return the scores of the gates and, where the model has experts, the logits of their routers. If it
        is not given, `config.output_router_logits` decides; in training they are returned.
"""
INPUTS_TEXT = f'{INPUTS} = r"""\n{ENTRIES}"""\n'
INTERNAL = "output_quality_logits"  # what a model hands on to its layers, where its `forward` names all that it takes
INTERNAL_ENTRY = f"""\
    {INTERNAL} (`bool`, *optional*, defaults to `False`):
        Whether the layers compute scores. It is set from `output_router_logits`.
"""
_ENTRY = re.compile(r"^ *\w+ \((?:`|.*\): *$)", re.MULTILINE)
_END = re.compile(r"^ *(Example|Return|```)")


def document_forwards(text: str, theirs: Mapping[str, ast.ClassDef]) -> str:
    """`@auto_docstring` on every decorated `forward` of a model: one decorator replaces all of the parent's.

    Outermost where it takes the gates' inputs, so that it sees them and what is returned; else innermost. It reads a
    docstring's entries or those of a constant, not both: the inputs stand in a docstring where that has entries.

    Args:
        theirs: the classes that the modular file inherits from, whose docstrings a method without one takes over.
    """
    found = False
    for node, method in reversed(_decorated_forwards(ast.parse(text))):
        names = [name_of(each) for each in method.decorator_list]
        if RETURNS in names:
            said = ast.get_docstring(method) or _inherited(theirs.get(ast.unparse(node.bases[0])))
            is_internal = INTERNAL in [each.arg for each in method.args.args]
            in_docstring = is_internal or _ENTRY.search(said) is not None
            text = _with_docstring(text, method, _described(said, is_internal)) if in_docstring else text
            text = _document_outside(text, method, "" if in_docstring else f"custom_args={INPUTS}")
            found = True
        elif DOCUMENTED not in names:
            text = insert_above(text, method.lineno, f"    @{DOCUMENTED}")
    return name_inputs(text) if found else text


def _inherited(parent: ast.ClassDef | None) -> str:
    methods = [each for each in (parent.body if parent else []) if isinstance(each, ast.FunctionDef)]
    return next((ast.get_docstring(each) or "" for each in methods if each.name == "forward"), "")


def _described(said: str, is_internal: bool) -> str:
    """A docstring with entries of what the gates add, behind its own."""
    lines = said.splitlines()
    first = next((line for line in lines if _ENTRY.match(line)), "")
    indent = first[: len(first) - len(first.lstrip())]
    end = next((n for n, line in enumerate(lines) if _END.match(line)), len(lines))
    above = "\n".join(lines[:end]).rstrip()
    added = inspect.cleandoc(ENTRIES + (INTERNAL_ENTRY if is_internal else ""))
    parts = [above + "\n" if above else "", *(f"{indent}{line}\n" for line in added.splitlines())]
    return "".join([*parts, *(f"{line}\n" for line in ["", *lines[end:]] if lines[end:])])


def _with_docstring(text: str, method: ast.FunctionDef, said: str) -> str:
    body = "".join(f"        {line}\n" if line else "\n" for line in said.rstrip().splitlines())
    new = f'        r"""\n{body.rstrip()}' + ('"""\n' if said.rstrip().endswith("```") else '\n        """\n')
    first = method.body[0]
    if ast.get_docstring(method) is not None:
        return substitute(text, Span(first.lineno, first.end_lineno or first.lineno), new)
    return insert_above(text, first.lineno, new.rstrip("\n"))


def name_inputs(text: str) -> str:
    """The text with the constant that describes the inputs: defined where the decorator is, else imported from there."""
    tree = ast.parse(text)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == RETURNS and f"\n{INPUTS} = " not in text:
            return insert_above(text, node.lineno, f"{INPUTS_TEXT}\n")
        if isinstance(node, ast.ImportFrom) and RETURNS in [alias.name for alias in node.names]:
            module = "." * node.level + (node.module or "")
            return insert_above(text, node.lineno, f"from {module} import {INPUTS}")
    return text


def decorator() -> str:
    """The decorator of a `forward` that takes the gates' inputs and has no entries of its own."""
    return f"@{DOCUMENTED}(custom_args={INPUTS})"


def _decorated_forwards(tree: ast.Module) -> list[tuple[ast.ClassDef, ast.FunctionDef]]:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = [(node, each) for node in classes for each in node.body if isinstance(each, ast.FunctionDef)]
    forwards = [(node, each) for node, each in methods if each.name == "forward" and each.decorator_list]
    return [(node, each) for node, each in forwards if _is_model(node) or RETURNS in map(name_of, each.decorator_list)]


def _document_outside(text: str, method: ast.FunctionDef, keyword: str) -> str:
    said = [keyword] if keyword else []
    for each in reversed(method.decorator_list):
        if name_of(each) == DOCUMENTED:
            text = substitute(text, Span(each.lineno, each.end_lineno or each.lineno), "")
            said = [*map(ast.unparse, getattr(each, "keywords", [])), *said]
    called = f"({', '.join(said)})" if said else ""
    return insert_above(text, method.decorator_list[0].lineno, f"    @{DOCUMENTED}{called}")


def _is_model(node: ast.ClassDef) -> bool:
    return node.name.endswith("Model") or re.search(r"For[A-Z]\w+$", node.name) is not None
