"""What the gates add to a call of a model, said in the documentation of every `forward` that takes it."""

from __future__ import annotations

import ast
import re

from upstream.decorators import DOCUMENTED, name_of
from upstream.spans import Span, insert_above, substitute
from upstream.values import Model


RETURNS = "returns_quality_scores"
INPUTS = "QUALITY_GATE_INPUTS"
# Their order here is that of the signature. transformers' own text for the second speaks of experts alone.
INPUTS_TEXT = f'''{INPUTS} = r"""
    quality_labels (`torch.Tensor` of shape `(batch_size,)`, *optional*):
        Labels for the quality loss: 1 for a sample of the quality to train for, 0 for any other, negative where it is
        not known.
    output_router_logits (`bool`, *optional*):
        Whether to return the scores of the gates and, where the model has experts, the logits of their routers. If it
        is not given, `config.output_router_logits` decides; in training they are returned.
"""
'''


def document_forwards(text: str, model: Model) -> str:
    """`@auto_docstring` on every decorated `forward` of a model: one decorator replaces all of the parent's.

    Outermost with the inputs that the gates add where it takes any, so that it sees them and what is returned; else
    innermost.
    """
    found = False
    for method in reversed(_decorated_forwards(ast.parse(text))):
        names = [name_of(each) for each in method.decorator_list]
        if RETURNS in names:
            text = _document_outside(text, method)
            found = True
        elif DOCUMENTED not in names:
            text = insert_above(text, method.lineno, f"    @{DOCUMENTED}")
    return name_inputs(text) if found else text


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


def decorator(keywords: str = "") -> str:
    """The decorator of a `forward` that takes the gates' inputs."""
    return f"@{DOCUMENTED}({keywords}custom_args={INPUTS})"


def _decorated_forwards(tree: ast.Module) -> list[ast.FunctionDef]:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = [(node, each) for node in classes for each in node.body if isinstance(each, ast.FunctionDef)]
    forwards = [(node, each) for node, each in methods if each.name == "forward" and each.decorator_list]
    return [each for node, each in forwards if _is_model(node) or RETURNS in map(name_of, each.decorator_list)]


def _document_outside(text: str, method: ast.FunctionDef) -> str:
    said = ""
    for each in reversed(method.decorator_list):
        if name_of(each) == DOCUMENTED:
            text = substitute(text, Span(each.lineno, each.end_lineno or each.lineno), "")
            said = "".join(f"{ast.unparse(word)}, " for word in getattr(each, "keywords", []))
    return insert_above(text, method.decorator_list[0].lineno, f"    {decorator(said)}")


def _is_model(node: ast.ClassDef) -> bool:
    return node.name.endswith("Model") or re.search(r"For[A-Z]\w+$", node.name) is not None
