"""The names that follow from a kind of gate: of models, classes, attributes, weights and fields."""

from __future__ import annotations

import re
from dataclasses import dataclass


_OF_PACKAGE = re.compile(r"([a-z]+)_gate_(?=\w)")
_STARTS = {"select": "open"}  # what a kind calls the start that changes nothing, where not "identity"
_FLOAT32 = ("quality", "select", "memory")  # kinds whose gates keep that type whatever the model's is
# What names of weights contain, beside the gate itself, where a kind has more than that.
_MARKS = {"memory": (".memory_norm.", ".gated_memory_fusion.", ".memory.memory_bank")}
_BANKS = {"memory": "memory.memory_bank"}  # rows that are read, and never trained
# Where a model starts as its base because these are zeros, and the rest is drawn: parts of the names of weights.
_ZEROS = {
    "memory": tuple(f".gated_memory_fusion.{name}" for name in ("gain", "down_proj.weight", "down_proj.1.weight"))
}
_OF_CLASS = re.compile(r"[A-Z][a-z]+Gate(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class GateNames:
    """A kind of gate by its folder in `modular/gates/`, and what everything of it is called."""

    kind: str  # "quality"

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
        return _BANKS.get(self.kind, "")

    @property
    def zeros(self) -> tuple[str, ...]:
        """Parts of the names of weights that are zeros at the start, of a kind whose others are drawn by the model."""
        return _ZEROS.get(self.kind, ())

    def owns(self, name: str) -> bool:
        """Whether a weight of this name is of the gates, and not of the base: "model.layers.0.quality_gate.gate.weight"."""
        return any(mark in f".{name}" for mark in (self.mark, *_MARKS.get(self.kind, ())))

    @property
    def weight(self) -> str:
        """The weight of a layer's gate, below the layer: "quality_gate.gate.weight"."""
        return f"{self.attribute}.gate.weight"

    @property
    def start(self) -> str:
        """What `<kind>_gate_init` says of gates with which a model starts as its base is: "identity"."""
        return _STARTS.get(self.kind, "identity")

    @property
    def is_float32(self) -> bool:
        """Whether gates are float32 in models of any type."""
        return self.kind in _FLOAT32

    def field(self, name: str) -> str:
        """A field of gated configurations that is called after the gate: "init_mean" is "quality_gate_init_mean"."""
        return f"{self.family}{name}"


MEANT = GateNames("quality")  # where no kind is named


def kind_of(package: str) -> GateNames:
    """The kind of gate of a gated model, "attention_gate_llama"; of any other name, the kind that is meant."""
    found = _OF_PACKAGE.match(package)
    return GateNames(found[1]) if found else MEANT


def is_gated(model_type: object) -> bool:
    """Whether a model's type is that of a gated one of any kind, the original project's own name among them."""
    return isinstance(model_type, str) and (model_type == MEANT.attribute or bool(_OF_PACKAGE.match(model_type)))


def ungated(name: str) -> str:
    """The name of a class without what those of its kind of gate begin with: "AttentionGateLlamaModel" -> "LlamaModel"."""
    return _OF_CLASS.sub("", name, count=1) if _OF_CLASS.match(name) else name
