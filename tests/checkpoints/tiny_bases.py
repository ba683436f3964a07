"""Base models of transformers at a tiny size, one for every head of every generated architecture."""

from __future__ import annotations

import torch
from facts.project import facts_of
from facts.tiny import TINY_IMAGE_TEXT, TINY_VISION, tiny_fields
from facts.values import ModelClass, ModelFacts

import transformers
from transformers import PreTrainedModel


class _Facts(dict[str, ModelFacts]):
    """Facts by name, read when they are asked for: there are many generated models."""

    def __missing__(self, name: str) -> ModelFacts:
        self[name] = facts_of(name)
        return self[name]


FACTS = _Facts()


def tiny_base(facts: ModelFacts, head: ModelClass, **fields: object) -> PreTrainedModel:
    """A base model of transformers with random weights."""
    model_class = getattr(transformers, head.base_name)
    config_class = getattr(transformers, facts.configs[head.config].base_name)
    sizes = tiny_fields(facts.text_config.fields, facts.name) | fields
    if "text_config" in facts.configs[head.config].sub_configs:
        known = {name: value for name, value in TINY_IMAGE_TEXT.items() if hasattr(config_class, name)}
        config = config_class(text_config=sizes, vision_config=dict(TINY_VISION), **known)
    else:
        config = config_class(**sizes)
    torch.manual_seed(0)
    return model_class(config).eval()


def model_of(name: str, role: str, config: str | None = None) -> ModelClass:
    """The facts of one head of one architecture."""
    facts = FACTS[name]
    return next(each for each in facts.models if each.role == role and each.config == (config or each.config))
