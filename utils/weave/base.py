"""A base: the modules of a model of transformers as text, and how its classes are called once they are gated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from syntax.modules import Module, read_module

from converter.names import Casing, Rename
from converter.values import Loader
from weave.form import Form
from weave.kinds import GateKind


# How the names of causal language models end; of older ones (GPT-2) with the second
CAUSAL, OLDER = "ForCausalLM", "LMHeadModel"
CONVERSIONS = "transformers.conversion_mapping"
GENERIC = "transformers.modeling_layers"
DESCRIPTIONS = "transformers.utils.auto_docstring"
_OF_MODELS = re.compile(r"^class ModelArgs\b.*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_DESCRIBED = re.compile(r"^    (\w+) = \{", re.MULTILINE)


@dataclass(frozen=True)
class Base:
    """A model of transformers, and the name in snake case of the gated model that is made from it."""

    name: str
    gated_name: str
    kind: GateKind  # of gate
    casing: Casing
    modeling: Module
    configuration: Module
    conversions: Module | None  # of checkpoints: transformers.conversion_mapping
    generic: Module | None = None  # the heads that all models share, where they are written out
    described: frozenset[str] = frozenset()  # arguments of forwards that transformers describes itself

    @cached_property
    def renaming(self) -> Rename:
        """How the converter renames what it takes from this base."""
        return Rename(self.casing.of_model(self.name), self.casing.of_model(self.gated_name))

    def prefix(self, causal: str) -> str:
        """What the names of gated classes begin with, by the base's causal language model: "QualityGateMistral"."""
        return self.gated(causal).removesuffix(CAUSAL)

    def gated(self, name: str) -> str:
        """The name of the gated class that stands for one of the base's."""
        if name.endswith(OLDER):
            name = name.removesuffix(OLDER) + CAUSAL
        renamed = self.renaming.word(name)
        return renamed if renamed != name else f"{self.kind.gate.prefix}{name}"

    @cached_property
    def gated_names(self) -> Mapping[str, str]:
        """Every class of the base with the name of the gated one, but for those that are not named after the base.

        The converter copies these as they are, so that a gated one would be made and never used.
        """
        modules = (self.modeling, self.configuration)
        names = [name for module in modules for name in module.classes]
        return {name: self.gated(name) for name in names if self.renaming.word(name) != name}


def load_base(name: str, folder: str, gated_name: str, kind: GateKind, load: Loader, casing: Casing) -> Base:
    """Read the modules of a base.

    Raises LookupError where there are none; ConversionError where one cannot be read.

    Args:
        name: of the model's files, "llama" of modeling_llama.py.
        folder: that they are in, below transformers.models.
        gated_name: what the gated model is called in snake case.
        kind: of gate.
        load: reads a module by its dotted name; None where there is none.
        casing: how model names are written in CamelCase.
    """
    modules = [f"transformers.models.{folder}.{kind}_{name}" for kind in ("modeling", "configuration")]
    sources = [load(module) for module in modules]
    if None in sources:
        raise LookupError(next(module for module, source in zip(modules, sources) if source is None))
    modeling, configuration = (read_module(source) for source in sources if source is not None)
    conversions = load(CONVERSIONS)
    generic = load(GENERIC)
    return Base(
        name,
        gated_name,
        kind,
        casing,
        modeling,
        configuration,
        read_module(conversions) if conversions is not None else None,
        read_module(generic) if generic is not None else None,
        described_arguments(load) if kind.form is Form.UPSTREAM else frozenset(),
    )


def described_arguments(load: Loader) -> frozenset[str]:
    """The arguments of forwards that `auto_docstring` describes itself; none where there is no such module."""
    source = load(DESCRIPTIONS)
    return described_in(source.text) if source is not None else frozenset()


def described_in(text: str) -> frozenset[str]:
    """The arguments of forwards that a text of `auto_docstring.py` describes."""
    found = _OF_MODELS.search(text)
    return frozenset(_DESCRIBED.findall(found[0])) if found else frozenset()


def refuse(code: str, path: str, message: str, fix: str) -> ConversionError:
    """The exception to raise for a problem of a base as a whole.

    Args:
        code: of the problem, as docs/errors.md lists them.
        path: of the base's file, as messages print it.
        message: what is wrong.
        fix: what to do about it.
    """
    return ConversionError(Diagnostic(code, path, 1, 1, message, fix))
