"""Modular and modeling files: names, signatures, initialisation, what the converter gets wrong without a word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import TypeGuard

from diagnostics.values import Diagnostic
from syntax.queries import (
    assigns,
    callee,
    calls,
    decorators,
    dotted,
    form,
    last_name,
    method,
    methods,
    names_in,
    root,
    same,
    value_of,
)
from weave.base import described_in
from weave.docstrings import entry_names
from weave.documented import DOCUMENTED, entries

from pull_request.gates import decorated
from pull_request.layout import AUTO_DOCSTRING
from pull_request.reachable import INIT
from pull_request.verify.subject import File, Subject, finding


_PROJECT = re.compile(r"\bgenerated\.\w+_gate_|^\s*(?:from|import) transformers\b", re.MULTILINE)
# What `init.normal_` and in-place operations on new tensors, `torch.empty(3).uniform_()`, begin with.
FRESH = ("init", "nn", "torch")
_PREFIX = "base_model_prefix"


def prefixed(subject: Subject) -> Iterator[Diagnostic]:
    """One prefix for every class of the files, helpers included; what the base calls otherwise is the base's."""
    prefix = subject.prefix
    of_base = {node.name for kind in ("configuration", "modeling") for node in subject.of_base(kind).classes()}
    of_base |= {f"{subject.gate.prefix}{name}" for name in of_base}
    for file in (subject.modular, subject.configuration, subject.modeling):
        for node in file.classes():
            if prefix and not node.name.startswith(prefix) and node.name not in of_base:
                fix = f"call it `{prefix}{node.name}`"
                message = f"`{node.name}` does not begin with the model's prefix"
                yield finding(file, node.lineno, "unprefixed-class", message, fix)


def exported(subject: Subject) -> Iterator[Diagnostic]:
    """Every model whose base is exported is exported, and nothing but classes."""
    file, base = subject.modeling, subject.of_base("modeling")
    names = set(file.exported)
    hidden = {f"{subject.gate.prefix}{node.name}" for node in _models(base) if node.name not in base.exported}
    for node in _models(file):
        if node.name not in names | hidden and not node.name.startswith("_"):
            message = f"`{node.name}` is not in `__all__`"
            yield finding(file, node.lineno, "unexported-model", message, "add it to `__all__` of the modular file")
    for name in file.exported:
        if name[:1].islower():
            message = f"`{name}` would hide or be hidden by that of another model in `transformers`"
            yield finding(file, file.line(rf"\"{name}\""), "exported-helper", message, "take it out of `__all__`")


def keyword_arguments(subject: Subject) -> Iterator[Diagnostic]:
    """Every `forward` of a model takes `**kwargs`."""
    file = subject.modeling
    for node in _models(file):
        for each in node.body:
            if isinstance(each, ast.FunctionDef) and each.name == "forward" and each.args.kwarg is None:
                message = f"`{node.name}.forward` takes no **kwargs"
                fix = "end its signature with `**kwargs: Unpack[TransformersKwargs]`"
                yield finding(file, each.lineno, "missing-kwargs", message, fix)


def documented_inputs(subject: Subject) -> Iterator[Diagnostic]:
    """Every `forward` that takes the gates' inputs describes them: outermost, where the decorator sees them."""
    file, inputs, returns = subject.modeling, subject.gate.upstream.inputs, decorated(subject.kind)
    if not inputs or not returns:
        return
    wanted = f"@{DOCUMENTED}(custom_args={inputs})"
    known = described_in(subject.tree.read(AUTO_DOCSTRING) or "")
    names = [name for name in entries(subject.kind) if name not in known]
    for node in file.classes():
        for each in node.body:
            if isinstance(each, ast.Assign) and assigns(each, "forward") and root(each.value) == returns:
                fix = f"write the method out, with `{wanted}` on top"
            elif isinstance(each, ast.FunctionDef) and _returns(each, returns) and not _describes(each, inputs, names):
                fix = f"put `{wanted}` on top of its decorators"
            else:
                continue
            message = f"`{node.name}.forward` does not describe {' and '.join(f'`{name}`' for name in names)}"
            yield finding(file, each.lineno, "undocumented-input", message, fix)


def redundant_inputs(subject: Subject) -> Iterator[Diagnostic]:
    """No `forward` of the gates describes in its docstring what `auto_docstring` knows: the repository's checker removes it."""
    file, returns = subject.modeling, decorated(subject.kind)
    known = described_in(subject.tree.read(AUTO_DOCSTRING) or "")
    for node in file.classes() if returns else ():
        for each in filter(lambda one: _returns(one, returns), methods(node)):
            said = [name for name in entry_names(ast.get_docstring(each) or "") if name in known]
            if said:
                names = ", ".join(f"`{name}`" for name in said)
                message = f"the docstring of `{node.name}.{each.name}` describes {names}, which `auto_docstring` knows"
                yield finding(file, each.lineno, "redundant-text", message, "remove the text")


def _returns(forward: ast.FunctionDef, returns: str) -> bool:
    """Whether a method is decorated with what takes the gates' inputs."""
    return any(callee(each) == returns for each in forward.decorator_list)


def _describes(forward: ast.FunctionDef, inputs: str, names: Iterable[str]) -> bool:
    said = ast.get_docstring(forward) or ""
    if decorators(forward)[0] != DOCUMENTED:
        return False
    return inputs in names_in(forward.decorator_list[0]) or all(f"{name} (`" in said for name in names)


def initialisation(subject: Subject) -> Iterator[Diagnostic]:
    """`_init_weights` calls its base, without gradients, and changes parameters through `init` alone.

    What the base's own does is the base's.
    """
    of_base = {form(call.func) for call in calls(subject.of_base("modeling").tree)}
    for file in (subject.modular, subject.modeling):
        for node in file.classes():
            if (own := method(node, INIT)) is not None:
                yield from _initialisation(file, node.name, own, of_base)


def _initialisation(file: File, name: str, own: ast.FunctionDef, of_base: set[object]) -> Iterator[Diagnostic]:
    called = list(calls(own))
    for call in called:
        changing = last_name(call.func)
        is_fresh = root(call.func) in FRESH or form(call.func) in of_base
        if changing.endswith("_") and not changing.endswith("__") and not is_fresh:
            message = f"`{ast.unparse(call.func)}` changes a parameter in place, loaded ones too"
            fix = f"use `init.{changing}(tensor, ...)` from `... import initialization as init`"
            yield finding(file, call.lineno, "in-place-init", message, fix)
    if not any(isinstance(call.func, ast.Attribute) and call.func.attr == INIT for call in called):
        message = f"`{name}._init_weights` does not call its base's"
        yield finding(file, own.lineno, "base-init", message, "begin with `super()._init_weights(module)`")
    if "no_grad" not in decorators(own):
        message = f"`{name}._init_weights` records gradients"
        yield finding(file, own.lineno, "init-gradients", message, "decorate it with `@torch.no_grad()`")


def base_prefixes(subject: Subject) -> Iterator[Diagnostic]:
    """No head looks for its weights elsewhere than the other heads."""
    file = subject.modeling
    prefixes = {node.name: each for node in file.classes() for each in node.body if _sets_prefix(each)}
    bases = {node.name: [*map(dotted, node.bases)] for node in file.classes()}
    theirs = {f"{subject.gate.prefix}{node.name}": node for node in subject.of_base("modeling").classes()}
    for name, each in prefixes.items():
        own = value_of(theirs[name].body, _PREFIX) if name in theirs else None
        if name.endswith(("Model", "ForCausalLM")) and same(each.value, own):
            continue  # a part of a whole, whose weights lie further in
        common = next((prefixes[base] for base in bases[name] if base in prefixes), None)
        if common is not None and not same(each.value, common.value):
            message = f"`{name}` would not find the weights of its causal language model: {ast.unparse(each)}"
            fix = f"say `{ast.unparse(common)}` in the modular file"
            yield finding(file, each.lineno, "base-prefix", message, fix)


def relative_imports(subject: Subject) -> Iterator[Diagnostic]:
    """No import that only this project, or an installed transformers, could resolve."""
    for file in (subject.modular, subject.configuration, subject.modeling):
        for match in _PROJECT.finditer(file.text):
            if not match[0].lstrip().startswith(">>>"):
                line = file.text.count("\n", 0, match.end()) + 1
                message = f"`{match[0].strip()}` means nothing inside the repository"
                yield finding(file, line, "absolute-import", message, "import relatively: `from ...utils import x`")


def _sets_prefix(statement: ast.stmt) -> TypeGuard[ast.Assign]:
    return isinstance(statement, ast.Assign) and assigns(statement, _PREFIX)


def _models(file: File) -> Iterator[ast.ClassDef]:
    """The classes that lead to a PreTrainedModel, in the file's order."""
    known = {"PreTrainedModel"}
    for node in file.classes():
        if any(last_name(base) in known or last_name(base).endswith("PreTrainedModel") for base in node.bases):
            known.add(node.name)
            yield node
