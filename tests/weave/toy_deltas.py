"""A toy base, short deltas of it, and what the weave and the converter make of them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from textwrap import dedent

from building.library import Library, View, decode
from building.workspace import PROJECT, find_transformers
from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from syntax.modules import Module, read_module
from syntax.source import Source
from weave.base import Base, load_base
from weave.kinds import GateKind, read_kind
from weave.stage import convert, gates_of, styled
from weave.woven import Woven, weave

from converter.names import Casing
from converter.values import Layout, Target


TOY = Path(__file__).parent / "toy"
MODEL = "quality_gate_toy"
CASING = {"toy": "Toy", "llama": "Llama"}
PLACE = '    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")\n'
PLAIN = f'''\
# SPDX-License-Identifier: Apache-2.0
"""Toy with a quality gate on the input of every feed-forward network."""

from gates.quality import QualityGate
from transformers.models.toy import modeling_toy as base


class QualityGateToyDecoderLayer(base.ToyDecoderLayer):
{PLACE}'''


@cache
def library() -> Library:
    """The installed transformers, the kinds of gate and the generated models, as text."""
    roots = {"transformers": find_transformers(), "gates": gates_of(PROJECT), "generated": PROJECT / "generated"}
    return Library(roots)


def view(modules: Mapping[str, str] | None = None) -> View:
    """All of that with the toy, and with other modules as they are given."""
    toy = {f"transformers.models.toy.{path.stem}": path.read_text() for path in TOY.glob("*.py")}
    return View(library(), toy | dict(modules or {}))


def kind(**modules: str) -> GateKind:
    """The quality gate, with some of its modules (`declaration`, `losses`) written otherwise."""
    names = {name: "gates.quality" if name == "declaration" else f"gates.quality.{name}" for name in modules}
    return read_kind("quality", view({names[name]: text for name, text in modules.items()}).load, ["quality"])


def base(model: str = MODEL) -> Base:
    """The toy, as a base of the quality gate."""
    return load_base("toy", "toy", model, kind(), view().load, Casing(CASING))


def delta(text: str = PLAIN, model: str = MODEL) -> Source:
    """A short delta as the converter reads it off the disk."""
    path = f"modular/modular_{model}.py"
    return Source(path, f"transformers.models.{model}.modular_{model}", decode(text.encode(), Path(path)))


def woven(text: str = PLAIN, modules: Mapping[str, str] | None = None, model: str = MODEL) -> Woven:
    """What the weave makes of a delta."""
    return weave(delta(text, model), model, view(modules).load, CASING, ["quality"])


def written(text: str = PLAIN, modules: Mapping[str, str] | None = None, model: str = MODEL) -> str:
    """The text of that, formatted."""
    return styled(woven(text, modules, model).source.text)


def converted(text: str = PLAIN, modules: Mapping[str, str] | None = None, model: str = MODEL) -> dict[str, str]:
    """The generated files, formatted, by the part of their name before the model's."""
    target = Target(model, Layout.PACKAGE, f"modular/modular_{model}.py", "5.23.0", strict=True)
    files = convert(delta(text, model), target, view(modules).load, CASING).files
    return {name.removesuffix(f"_{model}.py"): styled(made) for name, made in files.items()}


def problems(text: str, modules: Mapping[str, str] | None = None, model: str = MODEL) -> tuple[Diagnostic, ...]:
    """Why a delta is refused; empty where it is not."""
    try:
        converted(text, modules, model)
    except ConversionError as error:
        return error.diagnostics
    return ()


def refusal(text: str, modules: Mapping[str, str] | None = None, model: str = MODEL) -> Diagnostic:
    """The one problem that a delta is refused for."""
    [problem] = problems(text, modules, model)
    return problem


def members(text: str, name: str) -> dict[str, str]:
    """The members of a class by their names, as code; its docstring as ""."""
    tree = ast.parse(text)
    node = next(each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == name)
    found = {"": ast.get_docstring(node) or ""}
    for each in node.body:
        target = getattr(each, "target", None) or next(iter(getattr(each, "targets", ())), None)
        name = getattr(each, "name", None) or (ast.unparse(target) if target else "")
        found.setdefault(name, ast.unparse(each))
    return found


def decorators(text: str, name: str) -> list[str]:
    """The decorators of a class or function, as code."""
    node = next(each for each in ast.parse(text).body if getattr(each, "name", None) == name)
    return [ast.unparse(each) for each in node.decorator_list]


def forward(body: str, parameters: str = "self, hidden_states, **kwargs") -> str:
    """A forward at the left margin."""
    lines = dedent(body).strip("\n").split("\n")
    return "\n".join([f"def forward({parameters}):", *(f"    {line}" if line else "" for line in lines)]) + "\n"


def function(text: str) -> ast.FunctionDef:
    """The function that a text is."""
    [node] = ast.parse(text).body
    assert isinstance(node, ast.FunctionDef)
    return node


def module(text: str, name: str = "toy") -> Module:
    """A module of a text."""
    return read_module(Source(f"{name}.py", name, text))
