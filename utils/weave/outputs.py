"""The output classes of a gated model: those of its base, with what the gates say."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from syntax.queries import decorators

from weave.base import Base
from weave.docstrings import arguments_of
from weave.documented import base_fields
from weave.form import Form
from weave.names import Names
from weave.stack import Stack


_OF_MODEL = re.compile(r"^(Base|Moe)(?=Model)|^Moe")


@dataclass(frozen=True)
class Output:
    """One output class: `parent` is what it adds the scores to."""

    name: str
    parent: str
    kind: str  # "mixed": what the gates say is mixed in; "fields": it is added to the base's own class
    what: str  # "the base model"
    documentation: str  # of the fields: of the base's own class, or of those that a pull request describes anew
    decorates: bool = False  # whether the base's own class is no dataclass, having no fields of its own


def output_classes(base: Base, stack: Stack, names: Names) -> dict[str, Output]:
    """The gated output class for each output class of a base, in the order of their use."""
    uses = [(stack.output, "the base model"), *((head.output, _what(head.node.name)) for head in stack.heads)]
    found: dict[str, Output] = {}
    for name, what in uses:
        if name not in found:
            found[name] = _output(base, stack, names, name, what)
    return found


def needs_mixin(outputs: Sequence[Output]) -> bool:
    """Whether a class of these mixes the scores into an output of transformers."""
    return any(output.kind == "mixed" for output in outputs)


def _output(base: Base, stack: Stack, names: Names, name: str, what: str) -> Output:
    own = base.modeling.classes.get(name)
    if own is not None:
        decorates = "dataclass" not in decorators(own)
        documentation = arguments_of(ast.get_docstring(own) or "")
        return Output(base.gated(name), name, "fields", what, documentation, decorates)
    short = _OF_MODEL.sub(lambda match: "" if match[0] != "Moe" or "Causal" in name else "", name)
    gated = f"{names.prefix}{short}"
    around = [base.gated(head.output) for head in stack.heads if head.output in base.modeling.classes]
    if gated in around:  # of a model around this one
        gated = f"{base.gated(stack.model.name).removesuffix('Model')}{short}"
    said = base_fields(name, base.kind) if base.kind.form is Form.UPSTREAM else ""
    return Output(gated, name, "mixed", what, said)


def _what(head: str) -> str:
    kinds = {
        "ForCausalLM": "a language model",
        "ForSequenceClassification": "a sequence classifier",
        "ForTokenClassification": "a token classifier",
        "ForQuestionAnswering": "a question answering model",
    }
    return next((what for ending, what in kinds.items() if head.endswith(ending)), "a model with a head")
