"""A base and its converted model at a tiny size, with the same weights. Imports torch, and the model's transformers."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any

import torch
from facts.tiny import tiny_fields
from facts.values import ModelClass, ModelFacts, base_name

from proof.images import image_fields
from proof.pair import SEED, Pair


class OtherWeights(Exception):
    """Two models cannot have the same weights."""


@dataclass(frozen=True, slots=True)
class Modules:
    """The four files that a proof is about."""

    config: ModuleType
    modeling: ModuleType
    base_config: ModuleType
    base_modeling: ModuleType


def import_base(facts: ModelFacts) -> tuple[ModuleType, ModuleType]:
    """The base's configuration and modeling modules."""
    return _import_both(f"transformers.models.{facts.name}", facts.name)


def import_converted(facts: ModelFacts) -> tuple[ModuleType, ModuleType]:
    """The converted configuration and modeling modules."""
    return _import_both(f"generated.{facts.package}", facts.package)


def _import_both(package: str, model: str) -> tuple[ModuleType, ModuleType]:
    configuration, modeling = (f"{package}.{kind}_{model}" for kind in ("configuration", "modeling"))
    return importlib.import_module(configuration), importlib.import_module(modeling)


def build_base(facts: ModelFacts, modules: Modules, model: ModelClass) -> Any:
    """The base of a model, with random weights that are the same at every call."""
    config = _config(facts, modules.base_config, model, base_name)
    return _seeded(getattr(modules.base_modeling, model.base_name), config)


def build_converted(
    facts: ModelFacts,
    modules: Modules,
    model: ModelClass,
    base: Any,
    fields: Mapping[str, object] = MappingProxyType({}),
) -> Pair:
    """The model with the weights of its base.

    Args:
        facts: of the package.
        modules: its files, imported.
        model: which of its models.
        base: the base, built with weights.
        fields: what its configuration says besides what the base's does.

    Raises:
        OtherWeights: it has no gates, or other weights than its base besides those of gates.
    """
    converted = _seeded(getattr(modules.modeling, model.name), _config(facts, modules.config, model, fields=fields))
    pair = Pair(base, converted)
    own = {pair.base_name(name): name for name in converted.state_dict()}
    weights = {own.get(name, name): weight for name, weight in base.state_dict().items()}
    missing, unexpected = converted.load_state_dict(weights, strict=False)
    gates = _gate_weights(converted, facts)
    extra = sorted(set(missing) - gates)
    if extra or unexpected or not gates:
        raise OtherWeights(_told(extra, unexpected))
    return pair


def _config(
    facts: ModelFacts,
    configs: ModuleType,
    model: ModelClass,
    named: Callable[[str], str] = str,
    fields: Mapping[str, object] = MappingProxyType({}),
) -> Any:
    """A tiny configuration of a model. `named` says what the module calls a configuration of the converted model."""
    own = facts.configs.get(model.config, facts.text_config)
    if own == facts.text_config or "vision_config" not in own.sub_configs:
        return getattr(configs, named(own.name))(**tiny_fields(own.fields, facts.name), **fields)
    tiny = tiny_fields(facts.text_config.fields, facts.name)
    text = getattr(configs, named(facts.text_config.name))(**tiny, **fields)
    config_class = getattr(configs, named(own.name))
    return config_class(**image_fields(own, config_class, text))


def _seeded(model_class: Any, config: Any) -> Any:
    torch.manual_seed(SEED)
    return model_class(config).eval()


def _gate_weights(model: Any, facts: ModelFacts) -> set[str]:
    modules = model.named_modules(remove_duplicate=False)
    gates = [f"{name}." for name, each in modules if type(each).__name__ == facts.gate]
    return {name for name in model.state_dict() if name.startswith(tuple(gates)) or facts.names.owns(name)}


def _told(extra: list[str], unexpected: list[str]) -> str:
    parts = [("its base lacks", extra), ("it lacks", unexpected)]
    told = "; ".join(f"{words} {', '.join(names[:3])}{' ...' * (len(names) > 3)}" for words, names in parts if names)
    return told or "it has no gates"
