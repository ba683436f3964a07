"""The names that follow from a kind of gate: of models, classes, attributes, weights and fields."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from naming.declared import Declared, beside, read_folder


_OF_PACKAGE = re.compile(r"([a-z]+)_gate_(?=\w)")
_OF_CLASS = re.compile(r"[A-Z][a-z]+Gate(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class GateNames:
    """A kind of gate by its folder in `modular/gates/`, what everything of it is called, and what it declares.

    What is declared is read when it is asked for; ConversionError (`bad-gate`) where it makes no sense.
    """

    kind: str  # "quality"
    gates: tuple[Path, ...] = dataclasses.field(default=(), compare=False, repr=False)  # looked into first

    @property
    def is_declared(self) -> bool:
        """Whether there is a folder of this kind."""
        return read_folder(self.kind, self.gates) is not None

    @property
    def declared(self) -> Declared:
        """What its folder declares; what a kind is that declares nothing, where there is no folder."""
        found = read_folder(self.kind, self.gates)
        return found.declared if found else Declared()

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that its configurations have besides their bases'; none where there is no folder."""
        found = read_folder(self.kind, self.gates)
        return found.fields if found else ()

    @property
    def attribute(self) -> str:
        """The attribute of a gated layer: "quality_gate"."""
        return f"{self.kind}_gate"

    @property
    def family(self) -> str:
        """What the names of gated models begin with: "quality_gate_" of "quality_gate_llama"."""
        return f"{self.attribute}_"

    @property
    def prefix(self) -> str:
        """What the names of gated classes begin with: "QualityGate" of "QualityGateLlamaModel"."""
        return f"{self.kind.title()}Gate"

    @property
    def mark(self) -> str:
        """What the names of a gate's weights contain, and no other's: ".quality_gate."."""
        return f".{self.attribute}."

    @property
    def bank(self) -> str:
        """What the name of a kind's bank of rows ends with: "memory.memory_bank"; "" where there is none."""
        return self.declared.bank

    @property
    def zeros(self) -> tuple[str, ...]:
        """Parts of the names of weights that are zeros at the start."""
        return self.declared.zeros

    @property
    def is_drawn(self) -> bool:
        """Whether some of the weights start as the model has it, and not as zeros."""
        marks = {self.mark, *self.declared.marks} - {f".{self.bank}"}
        return not marks <= set(self.zeros)

    @property
    def tiny(self) -> Mapping[str, object]:
        """Small sizes of what the gates add, by the names of fields."""
        return dict(self.declared.tiny)

    @property
    def start(self) -> Mapping[str, object]:
        """The fields with which a gated model starts as its base is, with their values."""
        return dict(self.declared.equals_base)

    def owns(self, name: str) -> bool:
        """Whether a weight of this name is of the gates, and not of the base: "model.layers.0.quality_gate.gate.weight"."""
        return any(mark in f".{name}" for mark in (self.mark, *self.declared.marks))

    def above(self, weights: Iterable[str]) -> set[str]:
        """What the names of gates' weights begin with, up to the gates: one for each gate, of however many weights it is."""
        return {name.partition(self.mark)[0] for name in weights if self.mark in name}

    @property
    def weight(self) -> str:
        """The weight of a layer's gate, below the layer: "quality_gate.gate.weight"."""
        return f"{self.attribute}.gate.weight"

    @property
    def is_float32(self) -> bool:
        """Whether gates are float32 in models of any type."""
        return self.declared.float32

    def field(self, name: str) -> str:
        """A field of gated configurations that is called after the gate: "init_mean" is "quality_gate_init_mean"."""
        return f"{self.family}{name}"


MEANT = GateNames("quality")  # where no kind is named


def kind_of(package: str, homes: Iterable[Path] = ()) -> GateNames:
    """The kind of gate of a gated model, "attention_gate_llama"; of any other name, the kind that is meant.

    Args:
        package: the model's.
        homes: folders of generated models, each in a project whose kinds of gate are looked into first.
    """
    found = _OF_PACKAGE.match(package)
    return GateNames(found[1], tuple(map(beside, homes))) if found else MEANT


def is_gated(model_type: object) -> bool:
    """Whether a model's type is that of a gated one of any kind, the original project's own name among them."""
    return isinstance(model_type, str) and (model_type == MEANT.attribute or bool(_OF_PACKAGE.match(model_type)))


def ungated(name: str) -> str:
    """The name of a class without what those of its kind of gate begin with: "AttentionGateLlamaModel" -> "LlamaModel"."""
    return _OF_CLASS.sub("", name, count=1) if _OF_CLASS.match(name) else name
