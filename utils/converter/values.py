"""The frozen nouns that the rooms hand to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from diagnostics.values import Diagnostic
from syntax.source import Source


class Layout(Enum):
    """How the generated files refer to transformers."""

    PACKAGE = "package"  # absolute imports of transformers, relative imports of siblings, sealed three-line banner
    TREE = "tree"  # inside a transformers tree: relative imports and the reference's six-line banner


@dataclass(frozen=True, slots=True)
class Target:
    """What a delta becomes: the model's snake_case name and the form of the files made from it."""

    model: str  # "quality_gate_llama": names the outputs, modeling_<model>.py
    layout: Layout
    origin: str  # the modular file as the banner names it, "modular/modular_quality_gate_llama.py"
    release: str  # transformers version the parents come from, "5.24.0"
    strict: bool  # refuse what the reference gets silently wrong, instead of agreeing with it and warning


# Dotted module name -> its source; None where there is no such module.
Loader = Callable[[str], Source | None]


@dataclass(frozen=True, slots=True)
class Provenance:
    """The text of parents that went into a model, by digest: what another release of transformers may have changed.

    Modules of transformers are named from `models` on: "models.llama.modeling_llama".
    """

    definitions: Mapping[str, str] = field(default_factory=dict)  # "<module>.LlamaMLP" -> digest of its text
    imports: Mapping[str, str] = field(default_factory=dict)  # "<module>" -> digest of the imports taken over from it
    restated: Mapping[str, str] = field(default_factory=dict)  # "<module>.LlamaMLP.forward": the delta has its own
    models: Mapping[str, str] = field(default_factory=dict)  # other generated models -> digest of what is theirs


@dataclass(frozen=True, slots=True)
class Conversion:
    """One expanded delta, not yet formatted."""

    files: Mapping[str, str]  # file name -> text, e.g. {"modeling_quality_gate_llama.py": "..."}
    warnings: tuple[Diagnostic, ...]
    reads: tuple[str, ...]  # dotted names of the modules it was made from, sorted
    made_from: Provenance = field(default_factory=Provenance)
