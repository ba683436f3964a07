"""What the upstream form documents: forwards with what the gates add to a call, outputs with every field."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection, Iterable

from weave.docstrings import described, entry_names, without_entries
from weave.gate import Argument
from weave.kinds import GateKind


DOCUMENTED = "auto_docstring"

# Fields of transformers' outputs that its linter asks to be documented anew wherever another class stands before them.
_LOSS = """\
loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned when {labels}):
    The loss of the head, {more}."""
_LABELS = "`labels` is provided"
_WORDS = """\
logits (`torch.FloatTensor` of shape `(batch_size, sequence_length, config.vocab_size)`):
    Prediction scores of the language modeling head for each vocabulary token before SoftMax."""
_FIELDS = {
    "CausalLMOutput": (_LABELS, _WORDS),
    "MaskedLMOutput": (_LABELS, _WORDS),
    "NextSentencePredictorOutput": (
        _LABELS,
        "logits (`torch.FloatTensor` of shape `(batch_size, 2)`):\n"
        "    Scores of a sequence following the one before, or not, before SoftMax.",
    ),
    "SequenceClassifierOutput": (
        _LABELS,
        "logits (`torch.FloatTensor` of shape `(batch_size, config.num_labels)`):\n"
        "    Scores of each class before SoftMax.",
    ),
    "TokenClassifierOutput": (
        _LABELS,
        "logits (`torch.FloatTensor` of shape `(batch_size, sequence_length, config.num_labels)`):\n"
        "    Scores of each class for each token before SoftMax.",
    ),
    "QuestionAnsweringModelOutput": ("`start_positions` and `end_positions` are provided", ""),
}


def base_fields(output: str, kind: GateKind) -> str:
    """The lines that describe the fields of an output class of transformers, for a class that adds to it; "" for none."""
    name = output.removeprefix("Moe")
    labels, rest = next((said for each, said in _FIELDS.items() if name.startswith(each)), ("", ""))
    loss = _LOSS.format(labels=labels, more=kind.gate.upstream.loss) if labels else ""
    return "\n".join(filter(None, [loss.replace(", .", "."), rest]))


def intro(text: str) -> str:
    """What introduces a class in its documentation, as a decorator: `auto_docstring(custom_intro="It.")`."""
    said = " ".join(text.split()).replace('"', '\\"')
    return f'{DOCUMENTED}(custom_intro="{said}")' if said else DOCUMENTED


def documented(
    decorators: Iterable[str],
    said: str,
    kind: GateKind,
    asked: Iterable[Argument] = (),
    known: Collection[str] = (),
    replaces: bool = False,
) -> tuple[list[str], str]:
    """The decorators of a forward that takes what the gates add, and its documentation.

    transformers' decorator goes outermost, where it sees the inputs and what is returned. It reads the entries of a docstring
    or those of a constant, not both: the inputs stand in the docstring where that has entries.

    Args:
        kind: of gate, which says what the inputs and the arguments of the gates are.
        decorators: the forward's own, without "@".
        said: its documentation, at the left margin: the entries of arguments.
        asked: the arguments among the gates' own that the forward names itself.
        known: the arguments that transformers describes itself: entries of these are redundant.
        replaces: whether the documentation has to stand for another one with entries, which would be inherited.
    """
    own = [each for each in decorators if _name(each) == DOCUMENTED]
    keywords = [part for each in reversed(own) for part in _keywords(each)]
    inputs = kind.gate.upstream.inputs
    replaces = replaces and bool(entry_names(said))
    said = without_entries(said, known)
    within = bool(set(asked)) or replaces or bool(entry_names(said))
    if inputs and not within:
        keywords.append(f"custom_args={inputs}")
    outermost = f"{DOCUMENTED}({', '.join(keywords)})" if keywords else DOCUMENTED
    rest = [each for each in decorators if each not in own]
    if not within:
        return [outermost, *rest], said
    there = entry_names(said)
    internal = [each.entry for each in asked if each.name not in there]
    return [outermost, *rest], described(said, "\n".join([*internal, without_entries(_added(kind), known)]))


def input_entries(kind: GateKind) -> str:
    """What a kind of gate says of the inputs it adds, at the left margin: an entry each; "" where it adds none."""
    return _added(kind)


def entries(kind: GateKind) -> list[str]:
    """The names of the inputs that a kind of gate documents."""
    return entry_names(_added(kind))


def _added(kind: GateKind) -> str:
    """What the gate's constant says of its inputs, at the left margin."""
    found = kind.definitions.get(kind.gate.upstream.inputs)
    value = found[1].value if found and isinstance(found[1], ast.Assign) else None
    return inspect.cleandoc(str(value.value)) if isinstance(value, ast.Constant) else ""


def _name(decorator: str) -> str:
    return decorator.partition("(")[0].rpartition(".")[2]


def _keywords(decorator: str) -> list[str]:
    _, opened, inside = decorator.partition("(")
    return [inside.removesuffix(")")] if opened and inside != ")" else []
