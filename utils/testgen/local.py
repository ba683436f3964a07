"""What the templates of the tests that run here need to know of one model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from facts.peculiar import peculiarities
from facts.tiny import LAYERS, PER_LAYER, TINY_IMAGE_TEXT, TINY_VISION, tiny_fields
from facts.values import ModelFacts
from naming.kinds import GateNames


GROUPS = (  # templates/tests/quality/groups/, in the order of the rendered file; each holds one class of tests
    "config",
    "shapes",
    "parity",
    "gate",
    "loss",
    "training",
    "save_load",
    "embeddings",
    "attention",
    "generation",
    "plans",
    "compile",
    "pipelines",
)
IMAGE_GROUPS = ("image_inputs", "images")
BATCH, LENGTH = 2, 9  # of tests/models/support.py
LABELS = 3
HIDDEN = ("hidden_size", "d_model", "n_embd", "embed_dim")  # spellings of it


def template_of(names: GateNames, name: str = "suite.j2") -> str:
    """A template of a kind of gate: that of its suites, or another in its folder, which it shares with no other kind."""
    return f"tests/{names.kind}/{name}"


def local_values(facts: ModelFacts) -> dict[str, Any]:
    """The values of a template of suites.

    Raises:
        LookupError: the model has no causal language model, which most tests are about.
        PeculiarError: what is peculiar about it is refused, or names fields that its configuration has not.
    """
    if facts.causal_lm is None:
        raise LookupError(f"{facts.package} has no ...ForCausalLM, which tests are rendered for")
    peculiar = peculiarities(facts.name)
    known = [*facts.text_config.fields, PER_LAYER]
    peculiar.check("tiny", peculiar.tiny, known, f"field of {facts.text_config.name}")
    tiny = tiny_fields(facts.text_config.fields, facts.name)
    hidden = next((tiny[name] for name in HIDDEN if name in tiny), None)
    sizes = {"hidden": hidden, "layers": LAYERS, "vocabulary": tiny["vocab_size"]}
    can, gated = facts.abilities, [each for each in facts.layers if each.has_gate]
    return {
        "facts": facts,
        "tiny": {name: repr(value) for name, value in tiny.items()},
        "sizes": sizes,
        "groups": [*GROUPS, *(IMAGE_GROUPS if _writes_about_images(facts) else ())],
        "classes": facts.models,
        "roles": {each.role: each for each in (*facts.image_models, *facts.text_models)},
        "base_configs": [each.base_name for each in facts.configs.values()],
        "shapes": list(_shapes(facts, sizes)),
        "norms": _submodule({each.name: each.gated_norm for each in gated}),
        "networks": _submodule({each.name: each.feed_forward for each in gated}),
        "cache": facts.cache or "cache",  # tests of one are left out then
        "no_static_cache": _no_static_cache(facts),
        "no_flex": _no_flex(facts),
        "compiles": can.full_graph and (not can.has_experts or can.has_fused_experts),
        "compile_reason": f"{facts.base_prefix} does not compile without a break",
        # tracing the gradients of a recurrence stumbles over its views
        "backend": "eager" if can.has_recurrent_state else "aot_eager",
        "experts": 'experts_implementation="batched_mm"' if can.has_fused_experts else "",
        "still": ", ".join(_dropouts(facts)),
        "positions": ", position_ids=positions_of(inputs)" if "position_ids" in facts.causal_lm.arguments else "",
        "vision": {**TINY_VISION, "model_type": "siglip_vision_model"},
        "image": {name: value for name, value in TINY_IMAGE_TEXT.items() if _takes_images(facts, name)},
    }


def _dropouts(facts: ModelFacts) -> Iterator[str]:
    """The arguments that turn off what a configuration drops by default."""
    for name, field in facts.text_config.fields.items():
        if "drop" in name and field.default not in ("", "0", "0.0", "None"):
            yield f"{name}=0.0"


def _shapes(facts: ModelFacts, sizes: dict[str, Any]) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Class, field of its output, and the field's shape for a batch with three labels."""
    shapes = {
        "Model": ("last_hidden_state", (BATCH, LENGTH, sizes["hidden"])),
        "ForCausalLM": ("logits", (BATCH, LENGTH, sizes["vocabulary"])),
        "ForSequenceClassification": ("logits", (BATCH, LABELS)),
        "ForTokenClassification": ("logits", (BATCH, LENGTH, LABELS)),
        "ForQuestionAnswering": ("start_logits", (BATCH, LENGTH)),
    }
    return ((each.name, *shapes[each.role]) for each in facts.text_models if each.role in shapes)


def _submodule(by_class: dict[str, str]) -> str:
    """The expression for a submodule's name in the gated `layer`, where every class of layers has one; else ""."""
    if not all(by_class.values()):
        return ""
    if len(set(by_class.values())) == 1:
        return f'"{next(iter(by_class.values()))}"'
    return f"{by_class!r}[type(layer).__name__]"


def _no_static_cache(facts: ModelFacts) -> str:
    if facts.abilities.has_recurrent_state:
        return "layers with a recurrent state have no static cache"
    return peculiarities(facts.name).lacks.get("static_cache", "")


def _no_flex(facts: ModelFacts) -> str:
    if facts.abilities.has_sinks:
        return f"the attention sinks of {facts.base_prefix} have no flex attention on CPU"
    if not facts.abilities.flex:
        return f"{facts.base_prefix} declares no support for flex attention"
    return peculiarities(facts.name).lacks.get("flex_attention", "")


def _takes_images(facts: ModelFacts, field: str) -> bool:
    return facts.image_config is not None and field in facts.image_config.fields


def _writes_about_images(facts: ModelFacts) -> bool:
    return facts.image_config is not None and any(
        each.role == "ForConditionalGeneration" for each in facts.image_models
    )
