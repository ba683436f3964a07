"""A model's page in the documentation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date

from facts.peculiar import peculiarities
from facts.values import ModelClass, ModelFacts
from rendering.render import render
from syntax.queries import classes
from syntax.trees import tree_of
from weave.checkpoints import named_checkpoint

from pull_request.gates import start_of, template_of


_BADGES = "https://img.shields.io/badge/"
BADGES = {
    "flash": ("FlashAttention", f"{_BADGES}%E2%9A%A1%EF%B8%8E%20FlashAttention-eae0c8?style=flat"),
    "sdpa": ("SDPA", f"{_BADGES}SDPA-DE3412?style=flat&logo=pytorch&logoColor=white"),
    "tensor_parallelism": ("Tensor parallelism", f"{_BADGES}Tensor%20parallelism-06b6d4?style=flat&logoColor=white"),
}


@dataclass(frozen=True, slots=True)
class Usage:
    """One kind of use: of the language model, or of the model that sees images."""

    model: str
    checkpoint: str  # of the base, whose weights the model takes over


def render_page(facts: ModelFacts, configuration: str, today: date, base: str) -> str:
    """The page of a model.

    Args:
        facts: of the generated package.
        configuration: the text of its generated configuration file.
        today: the day that the page says the model was added on.
        base: the name of the base's page.
    """
    named = checkpoints(configuration)
    image = next((each for each in facts.image_models if each.role == "ForConditionalGeneration"), None)
    return render(
        template_of(facts.package, "model_doc.md.j2"),
        facts=facts,
        base=base,
        has_gates_everywhere=all(each.has_gate and not each.gate_is_conditional for each in facts.layers),
        today=today,
        badges=badges(facts),
        text=_text_usage(facts, facts.causal_lm, named) if facts.causal_lm else None,
        image=Usage(image.name, named[image.config]) if image else None,
        classes=[*facts.configs, *(model.name for model in facts.models)],
        configs=list(facts.configs),
        start="".join(f", {name}={json.dumps(value)}" for name, value in start_of(facts.package).items()),
    )


def _text_usage(facts: ModelFacts, model: ModelClass, named: dict[str, str]) -> Usage:
    """Use of the language model, whose configuration may name a checkpoint that holds more than text."""
    checkpoint = peculiarities(facts.name).text_checkpoint or named[model.config]
    return Usage(model.name, checkpoint)


def checkpoints(configuration: str) -> dict[str, str]:
    """Configuration class -> the checkpoint that its decorator names."""
    found = {node.name: named_checkpoint(node.decorator_list) for node in classes(tree_of(configuration))}
    return {name: checkpoint for name, checkpoint in found.items() if checkpoint}


def badges(facts: ModelFacts) -> list[tuple[str, str]]:
    """Name and image of what the model can do."""
    can = {"flash": facts.abilities.flash, "sdpa": facts.abilities.sdpa}
    can["tensor_parallelism"] = bool(facts.text_config.tp_plan)
    return [badge for ability, badge in BADGES.items() if can[ability]]
