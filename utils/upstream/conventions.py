"""What the linter of transformers' models asks of a modular file, where this project's deltas say it shorter."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

from upstream.decorators import DOCUMENTED, name_of
from upstream.spans import Span, insert_above, substitute
from upstream.values import Model


NOTE = "# CODEPATH: {} a training option: any checkpoint may take either path"
# Fields of transformers' outputs that it asks to be documented anew wherever another class stands before them.
_LOSS = """loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned when {labels}):
    The loss of the head, with the weighted quality loss where scores are returned."""
_LOGITS = """logits (`torch.FloatTensor` of shape `{shape}`):
    {what} before SoftMax."""
_LABELED = _LOSS.format(labels="`labels` is provided")
BASE_FIELDS = {
    "CausalLMOutput": (
        _LABELED,
        _LOGITS.format(
            shape="(batch_size, sequence_length, config.vocab_size)",
            what="Prediction scores of the language modeling head for each vocabulary token",
        ),
    ),
    "MaskedLMOutput": (
        _LABELED,
        _LOGITS.format(
            shape="(batch_size, sequence_length, config.vocab_size)",
            what="Prediction scores of the language modeling head for each vocabulary token",
        ),
    ),
    "NextSentencePredictorOutput": (
        _LABELED,
        _LOGITS.format(shape="(batch_size, 2)", what="Scores of a sequence following the one before, or not,"),
    ),
    "SequenceClassifierOutput": (
        _LABELED,
        _LOGITS.format(shape="(batch_size, config.num_labels)", what="Scores of each class"),
    ),
    "TokenClassifierOutput": (
        _LABELED,
        _LOGITS.format(
            shape="(batch_size, sequence_length, config.num_labels)", what="Scores of each class for each token"
        ),
    ),
    "QuestionAnsweringModelOutput": (_LOSS.format(labels="`start_positions` and `end_positions` are provided"),),
}
_ENTRY = re.compile(r"\w+ \(`")
_FIELD = re.compile(r"\bconfig\.(\w+)")


def document_outputs(text: str, model: Model) -> str:
    """`@auto_docstring` above `@dataclass` on output classes, whose docstrings then hold nothing but their fields."""
    for node in reversed(list(_classes(ast.parse(text)))):
        names = [name_of(each) for each in node.decorator_list]
        if "dataclass" in names and DOCUMENTED not in names and any("Output" in name_of(each) for each in node.bases):
            text = _document_output(text, node)
    return text


def _document_output(text: str, node: ast.ClassDef) -> str:
    intro, _, fields = inspect.cleandoc(ast.get_docstring(node) or "").partition("\n\n")
    if _ENTRY.match(intro):
        intro, fields = "", f"{intro}\n\n{fields}".rstrip()
    fields = fields or "\n".join(_base_fields(node))
    if ast.get_docstring(node) is not None:
        first = node.body[0]
        indented = "\n".join(f"    {line}" if line else "" for line in fields.splitlines())
        new = f'    r"""\n{indented}\n    """\n' if fields else "    pass\n" if len(node.body) == 1 else ""
        text = substitute(text, Span(first.lineno, first.end_lineno or first.lineno), new)
    said = " ".join(intro.split()).replace('"', '\\"')
    above = node.decorator_list[0].lineno
    return insert_above(text, above, f'@{DOCUMENTED}(custom_intro="{said}")' if said else f"@{DOCUMENTED}")


def _base_fields(node: ast.ClassDef) -> tuple[str, ...]:
    """What the docstring of a class without fields says of those behind its first base."""
    behind = [name_of(each).removeprefix("Moe") for each in node.bases[1:]]
    return next((said for name, said in BASE_FIELDS.items() if any(each.startswith(name) for each in behind)), ())


def note_branches(text: str, model: Model) -> str:
    """A note on every branch that a field of the gates decides, for those who look for dead ones."""
    lines = text.splitlines()
    tree = ast.parse(text)
    own = _own_fields(tree)
    for branch in sorted(_branches(tree), key=lambda each: each.line, reverse=True):
        fields = [name for name in dict.fromkeys(_FIELD.findall(branch.condition)) if name in own]
        if fields and "CODEPATH:" not in _comment_above(lines, branch.line):
            names = " and ".join(f"`{name}`" for name in fields) + (" is" if len(fields) == 1 else " are")
            indent = " " * (len(lines[branch.line - 1]) - len(lines[branch.line - 1].lstrip()))
            text = insert_above(text, branch.line, indent + NOTE.format(names))
    return text


@dataclass(frozen=True, slots=True)
class _Branch:
    condition: str
    line: int  # of the statement that a note stands above


def _branches(tree: ast.Module) -> Iterator[_Branch]:
    for node in ast.walk(tree):
        for statement in (each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)):
            if isinstance(statement, ast.If) and not _is_guard(statement):
                yield _Branch(ast.unparse(statement.test), statement.lineno)
            parts = [each for each in ast.iter_child_nodes(statement) if isinstance(each, ast.expr)]
            inner = [each for part in parts for each in ast.walk(part) if isinstance(each, ast.IfExp)]
            if inner:
                yield _Branch(" ".join(ast.unparse(each.test) for each in inner), statement.lineno)


def _is_guard(statement: ast.If) -> bool:
    """Whether a branch does nothing but raise."""
    return not statement.orelse and all(isinstance(each, ast.Raise) for each in statement.body)


def _own_fields(tree: ast.Module) -> set[str]:
    """The fields that the file's configurations declare."""
    configs = (node for node in _classes(tree) if node.name.endswith("Config"))
    fields = (each.target for node in configs for each in node.body if isinstance(each, ast.AnnAssign))
    return {ast.unparse(target) for target in fields}


def _comment_above(lines: list[str], line: int) -> str:
    first = line - 1
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return "\n".join(lines[first:line])


def _classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    return (node for node in tree.body if isinstance(node, ast.ClassDef))
