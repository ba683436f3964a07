"""The output classes of a gated model: those of its base, with what the gates say."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from scaffold.find import Base
from scaffold.stack import Stack


# Outputs of transformers.modeling_outputs that the gated Llama has with scores
_ROOT = {
    "BaseModelOutputWithPast": "QualityGateLlamaModelOutputWithPast",
    "CausalLMOutputWithPast": "QualityGateLlamaCausalLMOutputWithPast",
    "SequenceClassifierOutputWithPast": "QualityGateLlamaSequenceClassifierOutputWithPast",
    "TokenClassifierOutput": "QualityGateLlamaTokenClassifierOutput",
    "QuestionAnsweringModelOutput": "QualityGateLlamaQuestionAnsweringModelOutput",
}
_OF_MODEL = re.compile(r"^(Base|Moe)(?=Model)|^Moe")


@dataclass(frozen=True)
class Output:
    """One output class: `parent` is what it adds the scores to."""

    name: str
    parent: str
    kind: str  # "root": a root's class has the scores; "mixed": they are mixed in; "fields": the base's own class
    what: str  # "the base model"
    documentation: str  # of the fields of the base's own class
    decorates: bool = False  # whether the base's own class is no dataclass, having no fields of its own


def output_classes(base: Base, stack: Stack) -> dict[str, Output]:
    """The gated output class for each output class of a base, in the order of their use."""
    uses = [(stack.output, "the base model"), *((head.output, _what(head.node.name)) for head in stack.heads)]
    found: dict[str, Output] = {}
    for name, what in uses:
        if name not in found:
            found[name] = _output(base, stack, name, what)
    return found


def gated_prefix(base: Base, stack: Stack) -> str:
    """What the names of the gated classes begin with."""
    return base.gated(stack.causal.name).removesuffix("ForCausalLM")


def needs_mixin(outputs: Sequence[Output]) -> bool:
    """Whether a class of these mixes the scores into an output of transformers."""
    return any(output.kind == "mixed" for output in outputs)


def _output(base: Base, stack: Stack, name: str, what: str) -> Output:
    own = base.modeling.classes.get(name)
    if own is not None:
        decorates = not any("dataclass" in ast.unparse(each) for each in own.decorator_list)
        return Output(base.gated(name), name, "fields", what, _documentation(own), decorates)
    short = _OF_MODEL.sub(lambda match: "" if match[0] != "Moe" or "Causal" in name else "", name)
    gated = f"{gated_prefix(base, stack)}{short}"
    # A class of the base that is called so stands in the way of the root's mixin, which its outputs would bring
    if name in _ROOT and f"{stack.prefix}Output" not in base.modeling.classes:
        return Output(gated, _ROOT[name], "root", what, "")
    return Output(gated, name, "mixed", what, "")


def _documentation(own: ast.ClassDef) -> str:
    """The lines of a class's docstring that describe its fields, at the left margin."""
    text = textwrap.dedent(ast.get_docstring(own, clean=True) or "")
    start = re.search(r"^\w+ \(", text, re.MULTILINE)
    arguments = re.search(r"^(?:Args|Parameters|Arguments):\n(?P<rest>(?:[ \t]+.*\n?|\n)*)", text, re.MULTILINE)
    if arguments:
        return textwrap.dedent(arguments["rest"]).strip("\n")
    return text[start.start() :].strip("\n") if start else ""


def _what(head: str) -> str:
    kinds = {
        "ForCausalLM": "a language model",
        "ForSequenceClassification": "a sequence classifier",
        "ForTokenClassification": "a token classifier",
        "ForQuestionAnswering": "a question answering model",
    }
    return next((what for ending, what in kinds.items() if head.endswith(ending)), "a model with a head")
