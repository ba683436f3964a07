"""What a base may do that scores cannot follow: it is refused before anything is written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from converter.diagnostics import ConversionError
from scaffold.modules import Function, Module


_FIX = "write this delta by hand"


def check_runs(module: Module, model: ast.ClassDef, container: str | None, calls: Iterable[ast.Call]) -> None:
    """Refuse a model whose scores could not be told apart, or are not of the tokens.

    Each layer has to run once for each token of each input; layers that training drops at random do not count.
    """
    forward = module.method(model, "forward")
    problems = [
        *_repeated(module, model, forward, container, set(calls)),
        *_foreign(module, model, forward),
        *_unmasked(module, model, forward),
    ]
    if problems:
        raise problems[0]


def _repeated(
    module: Module, model: ast.ClassDef, forward: Function, container: str | None, calls: set[ast.Call]
) -> Iterable[ConversionError]:
    for loop in (node for node in ast.walk(forward) if isinstance(node, ast.For)):
        inside = list(ast.walk(loop))
        runs = [
            each for each in inside if isinstance(each, ast.Call) and ast.unparse(each.func) == f"self.{container}"
        ]
        if container and runs:
            message = f"{model.name} runs its layers several times, and its scores would be of no layer"
            yield module.refuse(runs[0], "no-order", message, _FIX)
        skips = [each for each in inside if isinstance(each, ast.Continue)]
        if skips and calls & set(inside) and "layerdrop" not in ast.unparse(loop):
            message = f"{model.name} leaves out layers for some inputs, and its scores could not be told apart"
            yield module.refuse(skips[0], "no-order", message, _FIX)


def _foreign(module: Module, model: ast.ClassDef, forward: Function) -> Iterable[ConversionError]:
    for call in (node for node in ast.walk(forward) if isinstance(node, ast.Call)):
        text = ast.unparse(call)
        if ".reshape(-1, self.num_codebooks" in text:
            message = f"the rows of {model.name}'s inputs are codebooks, not samples that a quality could be known of"
            yield module.refuse(call, "no-samples", message, _FIX)
        joined = re.fullmatch(r"torch\.cat\((.*), (?:dim=)?1\)", text)
        if joined and re.search(r"hidden_states|embedding_output", joined[1]):
            message = f"the layers of {model.name} see more positions than there are tokens to score"
            yield module.refuse(call, "no-samples", message, _FIX)


def _unmasked(module: Module, model: ast.ClassDef, forward: Function) -> Iterable[ConversionError]:
    """A mask that is asked for and has no effect: `if attention_mask is not None: warn(...)`."""
    read = [each for each in ast.walk(forward) if isinstance(each, ast.Name) and each.id == "attention_mask"]
    tests = [each for node in ast.walk(forward) if isinstance(node, ast.If) for each in ast.walk(node.test)]
    if read and set(read) <= set(tests):
        message = f"{model.name} takes an attention mask and ignores it: padding would change the scores of a sample"
        yield module.refuse(read[0], "no-samples", message, _FIX)


def check_imports(module: Module, definitions: Iterable[str]) -> None:
    """Refuse a base whose functions import from files beside it, which a generated file does not have."""
    for name in definitions:
        for node in ast.walk(module.definitions[name]):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                message = f"`{name}` imports `{node.module}`, a file beside it, which would not stand alone"
                raise module.refuse(node, "no-standalone", message, _FIX)
