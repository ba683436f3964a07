# Generated from templates/generated_autos.py word for word.
# Do not edit generated/autos.py: change the template and run `python utils/modular_converter.py --all`.
# Seal: sha256 ff2d3fa4150f7c4ea01c4264c91f6d946e31515216a37cfd47dc3b35c056e766
"""Which Auto classes serve a gated class: those that serve its base, by the tables of the transformers that is installed."""

import re
from typing import Any


# How a class name ends -> the Auto classes that serve it whether or not they serve its base.
BY_ENDING = {
    "ForCausalLM": ("AutoModelForCausalLM",),
    "ForConditionalGeneration": ("AutoModelForImageTextToText", "AutoModelForCausalLM"),
    "ForSequenceClassification": ("AutoModelForSequenceClassification",),
    "ForTokenClassification": ("AutoModelForTokenClassification",),
    "ForQuestionAnswering": ("AutoModelForQuestionAnswering",),
    "PreTrainedModel": (),  # abstract
    "Model": ("AutoModel",),
}
_TYPE = re.compile(r"^[a-z]+_gate_(?=\w)")
_CLASS = re.compile(r"^[A-Z][a-z]+Gate(?=[A-Z])")


def auto_classes(model_type: str, name: str) -> tuple[str, ...]:
    """The Auto classes that serve a gated class.

    Args:
        model_type: of its configuration, "quality_gate_bert".
        name: of the class, "QualityGateBertForMaskedLM".
    """
    ours = next((autos for ending, autos in BY_ENDING.items() if name.endswith(ending)), ())
    listed = {auto: _listed(table, model_type) for auto, table in tables().items()}
    bases = {_CLASS.sub("", name)}
    if not any(bases & names for names in listed.values()):  # its base is called otherwise: GPT2LMHeadModel
        bases = set().union(*(listed.get(auto, set()) for auto in ours))
    return tuple(dict.fromkeys([*ours, *(auto for auto, names in listed.items() if bases & names)]))


def may_serve(auto: str, table: Any, model_type: str) -> bool:
    """Whether an Auto class, given its table, may serve a gated class with a configuration of that type."""
    return any(auto in autos for autos in BY_ENDING.values()) or bool(_listed(table, model_type))


def tables() -> dict[str, Any]:
    """The Auto classes for models, by name -> what they serve."""
    from transformers.models.auto import modeling_auto

    classes = {name: each for name, each in vars(modeling_auto).items() if isinstance(each, type)}
    found = {name: getattr(each, "_model_mapping", None) for name, each in classes.items()}
    return {name: table for name, table in found.items() if isinstance(table, modeling_auto._LazyAutoMapping)}


def _listed(table: Any, model_type: str) -> set[str]:
    """The classes that one table lists for the base of a gated type."""
    names = table._model_mapping.get(_TYPE.sub("", model_type), ())
    return {names} if isinstance(names, str) else set(names)
