"""Which gated architectures there are, and which one belongs to a base's configuration. Read off generated text."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facts.project import facts_of, generated_models, package_of, packages_of_others
from facts.values import ConfigFacts, ModelFacts
from naming.kinds import MEANT, GateNames, kind_of
from telling.tools import typed

from checkpoints.errors import CheckpointError
from checkpoints.homes import OURS, Homes
from checkpoints.layout import CONFIG


_MODEL_TYPE = re.compile(r'^    model_type = "([\w-]+)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Known:
    """A generated model, as a base is called ("llama"), and the folder that holds it among others."""

    name: str
    home: Path


@dataclass(frozen=True, slots=True)
class Architecture:
    """A gated architecture and the one of its configurations that a checkpoint has."""

    facts: ModelFacts
    folder: Path  # of the generated package
    config: ConfigFacts

    @property
    def heads(self) -> dict[str, str]:
        """What a base calls a model -> what the gated one is called, for models with this configuration."""
        return {each.base_name: each.name for each in self.facts.models if each.config == self.config.name}

    @property
    def gate_defaults(self) -> dict[str, Any]:
        """The gate fields that this architecture has, with their defaults."""
        fields = self.facts.text_config.fields
        own = (name for name in fields if is_gate_field(name, self.facts.names))
        return {name: ast.literal_eval(fields[name].default) for name in own}


def is_gate_field(name: str, names: GateNames) -> bool:
    """Whether a field of a configuration is one that a kind of gate adds; a base that has one of them keeps its value."""
    return name in names.fields or (names != MEANT and names.attribute in name)


def known_types(homes: Homes = OURS, names: GateNames = MEANT) -> dict[str, Known]:
    """The model types of a kind of gate, sorted: "quality_gate_llama" -> the generated model that it belongs to."""
    found: dict[str, Known] = {}
    for home in reversed(homes):
        others = (name for name in packages_of_others(home) if name.startswith(names.family))
        for name in generated_models(home) if names == MEANT else others:
            package = package_of(name)
            text = (home / package / f"configuration_{package}.py").read_text(encoding="utf-8")
            types = [model_type for model_type in _MODEL_TYPE.findall(text) if model_type.startswith(names.family)]
            found |= dict.fromkeys(types, Known(package.removeprefix(names.family), home))
    return dict(sorted(found.items()))


def known_kinds(homes: Homes = OURS) -> list[str]:
    """The kinds of gate that there are generated models of, sorted."""
    return sorted({MEANT.kind, *(kind_of(name).kind for home in homes for name in packages_of_others(home))})


def find_architecture(
    folder: Path,
    config: Mapping[str, Any],
    model: str = "auto",
    homes: Homes = OURS,
    names: GateNames = MEANT,
) -> Architecture:
    """The gated architecture of a base configuration.

    Args:
        folder: the base checkpoint, for the text of a refusal.
        config: its configuration.
        model: "auto", or the generated model that it must be: "llama".
        homes: the folders of generated models.
        names: the kind of gate.

    Raises:
        CheckpointError: the base is gated already, or no generated model (or not `model`) is made for it.
    """
    place, known = folder / CONFIG, known_types(homes, names)
    base_type = config.get("model_type")
    if not isinstance(base_type, str):
        raise CheckpointError(place, "has no `model_type`", "fetch the file again, or add the field")
    if is_gated_type(base_type):
        raise CheckpointError(place, f"the base is gated already ({base_type})", "give the base it was made from")
    found = known.get(names.family + base_type)
    wanted = model.removeprefix(names.family)
    if found is None:
        there = ", ".join(sorted({each.name for each in known.values()}))
        message = f"no gated architecture is known for the model type {base_type!r} (known: {there})"
        option = "" if names == MEANT else f" --gate {names.kind}"
        fix = f"convert one: see {typed('convert')}{option}; where it is not in generated/, name --generated DIR"
        raise CheckpointError(place, message, fix)
    if wanted not in ("auto", found.name):
        message = f"the model type {base_type!r} belongs to the gated {found.name}, not to {wanted}"
        raise CheckpointError(place, message, f"give --model {found.name}, or leave it out")
    try:
        return architecture_of(names.family + base_type, homes)
    except LookupError as error:
        message = f"is not a gated model whose layers can be found: {error}"
        raise CheckpointError(
            found.home / (names.family + found.name), message, "generate it anew: `make convert`"
        ) from error


def refuse_undeclared(names: GateNames, place: Path | str) -> None:
    """Raise CheckpointError (`unknown-gate`) where nothing says which weights and fields are those of a kind of gate.

    Args:
        names: the kind of gate.
        place: what it is asked for: a checkpoint, an option.
    """
    if not names.is_declared:
        message = f"there is no kind of gate called {names.kind!r}: which weights and fields are its own is not known"
        fix = (
            f"run it in the folder that has modular/gates/{names.kind}/, or name the models beside it: --generated DIR"
        )
        raise CheckpointError(place, message, fix, code="unknown-gate")


def is_gated_type(model_type: object) -> bool:
    """Whether a model type is one of a model with gates, of whatever kind."""
    names = kind_of(str(model_type))
    return str(model_type).startswith(names.attribute)


def architecture_of(gated_type: str, homes: Homes = OURS) -> Architecture:
    """The architecture of a gated model type; LookupError where there is none."""
    names = kind_of(gated_type, homes)
    known = known_types(homes, names)[gated_type]
    facts = facts_of(names.family + known.name, known.home)
    config = next(each for each in facts.configs.values() if each.model_type == gated_type)
    return Architecture(facts, known.home / facts.package, config)
