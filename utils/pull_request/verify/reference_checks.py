"""What a modular file relies on and transformers' own converter does not do."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from syntax.queries import dotted, is_super_call, method, methods

from pull_request.conversion import generate
from pull_request.layout import MODELS
from pull_request.verify.subject import Subject, finding


CODE = "reference-loses"
# What this project's converter refuses of a modular file, and transformers' own writes out all the same.
WRITTEN_ALL_THE_SAME = {"unresolved-import", "undefined-name", "unknown-module"}


def relied_on(subject: Subject) -> Iterator[Diagnostic]:
    """Constants that come along for this project's converter alone, and names that the outputs import from nowhere."""
    modular = subject.modular
    if not modular.text or not modular.tree.body:
        return
    arguments = (subject.name, modular.text, subject.tree, subject.setting)
    try:
        told = generate(*arguments, strict=True)[1]
    except ConversionError as error:
        told = error.diagnostics
    yield from (each for each in told if each.code in {CODE, *WRITTEN_ALL_THE_SAME})


def called_above(subject: Subject) -> Iterator[Diagnostic]:
    """`super().m(...)` in `m` means the method of the class that is inherited from: one that this lacks ends the converter."""
    parents = _parents(subject)
    for node in subject.modular.classes():
        names = [*map(dotted, node.bases)]
        parent = next((parents[name] for name in names if name in parents), None)
        if parent is None:
            continue
        for each in methods(node):
            if method(parent, each.name) is None and _calls_above(each):
                message = f"transformers' own converter ends at `super().{each.name}(...)`: `{parent.name}` has no such method"
                fix = f"name the class that has it: `PreTrainedConfig.{each.name}(self, ...)`, say"
                yield finding(subject.modular, _calls_above(each), CODE, message, fix)


def _parents(subject: Subject) -> Mapping[str, ast.ClassDef]:
    """The classes that the modular file imports from models of the repository, as they are there."""
    found: dict[str, ast.ClassDef] = {}
    for node in subject.modular.tree.body:
        if isinstance(node, ast.ImportFrom) and node.level == 2 and node.module:
            path = f"{MODELS}/{node.module.replace('.', '/')}.py"
            there = {each.name: each for each in subject.file(path).classes()}
            found |= {one.asname or one.name: there[one.name] for one in node.names if one.name in there}
    return found


def _calls_above(own: ast.FunctionDef) -> int:
    """The line of the first statement that is `super().m(...)`, returned or not; 0 where there is none."""
    return next((each.lineno for each in own.body if is_super_call(each, own.name)), 0)
