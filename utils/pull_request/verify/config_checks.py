"""Configurations: decorators, docstrings, fields, checkpoint ids."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from diagnostics.values import Diagnostic
from syntax.queries import alternatives, annotated, assigned_names, decorators, dotted
from weave.docstrings import entry_names

from pull_request.edits.config_fields import allowed, declared, unchecked, unread
from pull_request.layout import AUTO_DOCSTRING, CONFIG_CHECK
from pull_request.parents import parents
from pull_request.unused import inherited_unused, removable, shared_texts
from pull_request.verify.subject import Subject, finding


KNOWN = AUTO_DOCSTRING  # describes the fields that need no text of their own
_CHECKPOINT = re.compile(r"""(?:checkpoint=|from_pretrained\()["']([\w.-]+/[\w.-]+)["']""")


def decorated(subject: Subject) -> Iterator[Diagnostic]:
    """`@auto_docstring(checkpoint=...)` and `@strict`, in the modular file too: one of them replaces the parent's all."""
    for file in (subject.modular, subject.configuration):
        for node in file.classes():
            if not node.name.endswith("Config"):
                continue
            names = decorators(node)
            if "strict" not in names:
                message = f"without @strict `{node.name}` validates no types"
                yield finding(file, node.lineno, "missing-strict", message, "add `@strict` right above the class")
            if "auto_docstring" not in names:
                message = f"without @auto_docstring `{node.name}` takes over its parent's, with mangled names"
                fix = 'add `@auto_docstring(checkpoint="org/name")` above `@strict`'
                yield finding(file, node.lineno, "missing-docstring", message, fix)


def documented_fields(subject: Subject) -> Iterator[Diagnostic]:
    """Every field that transformers does not know has a text, and every text is of a field."""
    known = _known_fields(subject)
    of_base = set(declared(subject.of_base("configuration").text))
    for name, node in subject.configs.items():
        said = set(entry_names(ast.get_docstring(node) or ""))
        fields = annotated(node)
        for field, statement in fields.items():
            if field not in said | known | of_base:
                fix = f"describe it in the docstring of `{name}`: `{field} (`type`, *optional*, defaults to ...):`"
                message = f"`{name}.{field}` is not described"
                yield finding(subject.configuration, statement.lineno, "undocumented-field", message, fix)
        for field in sorted(said - set(fields) - known):
            line = subject.configuration.line(rf"^ *{field} \(`")
            message = f"the docstring of `{name}` describes `{field}`, which it does not have"
            yield finding(subject.configuration, line, "redundant-text", message, "remove the text")


def read_fields(subject: Subject) -> Iterator[Diagnostic]:
    """Every field is read in the modeling file, or excepted; what the base's leaves unread as well is excepted there.

    Where there is no table of exceptions, only those that could be removed are asked for.
    """
    table = subject.tree.read(CONFIG_CHECK)
    of_base = set(declared(subject.of_base("configuration").text))
    modeling = subject.modeling.text
    texts = (subject.configuration.text, modeling, subject.of_base("modeling").text)
    shared = shared_texts(subject.tree.read, modeling)
    of_base -= set(removable(*texts, shared) if table is None else inherited_unused(*texts))
    exceptions = allowed(table or "")
    for name, node in subject.configs.items():
        fields = annotated(node)
        for field in unread(fields, subject.modeling.text):
            if field in of_base or unchecked(field) or field in exceptions.get(name, ()):
                continue
            message = f"{subject.modeling.path.rpartition('/')[2]} does not read `config.{field}`"
            fix = f"read it, remove it, or except it in SPECIAL_CASES_TO_ALLOW of {CONFIG_CHECK}"
            yield finding(subject.configuration, fields[field].lineno, "unused-field", message, fix)


def float_fields(subject: Subject) -> Iterator[Diagnostic]:
    """A field annotated `float` refuses 1."""
    of_base = set(declared(subject.of_base("configuration").text))
    for node in subject.configs.values():
        for field, each in annotated(node).items():
            types = {*map(dotted, alternatives(each.annotation))}
            if field not in of_base and "float" in types and "int" not in types:
                message = f"`{field}: {ast.unparse(each.annotation)}` rejects an int such as 1"
                fix = "annotate it `float | int`"
                yield finding(subject.configuration, each.lineno, "float-only", message, fix)


def checkpoints(subject: Subject) -> Iterator[Diagnostic]:
    """Ids of checkpoints that nobody wrote: the names in a parent's were replaced along with all others."""
    sources = "\n".join(
        (subject.modular.text, subject.of_base("configuration").text, subject.of_base("modeling").text)
    )
    for file in (subject.configuration, subject.modeling):
        for match in _CHECKPOINT.finditer(file.text):
            if match[1] not in sources and not _inherited(subject, match[1]):
                line = file.text.count("\n", 0, match.start()) + 1
                message = f"`{match[1]}` is named neither by the modular file nor by the base"
                fix = "give the class a decorator or docstring of its own in the modular file, with a real checkpoint"
                yield finding(file, line, "mangled-checkpoint", message, fix)


def _inherited(subject: Subject, checkpoint: str) -> bool:
    """Whether another gated model, which this one inherits from, names the checkpoint."""
    texts = (Subject(name, subject.tree, subject.setting).modular.text for name in parents(subject.modular.text))
    return any(checkpoint in text for text in texts)


def _known_fields(subject: Subject) -> set[str]:
    """What `ConfigArgs` describes, and what every configuration has."""
    file = subject.file(KNOWN)
    names = {"ConfigArgs"}
    bodies = (node.body for node in file.classes() if node.name in names)
    return {name for body in bodies for each in body for name in assigned_names(each)}
