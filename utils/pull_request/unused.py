"""Fields that a configuration inherits and that only heads without gates read: text to text."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Iterable, Iterator

from syntax.edits import Edit
from syntax.modules import Module, module_of
from syntax.queries import annotated, string
from syntax.statements import above, edited, replaced
from syntax.trees import tree_of
from weave.docstrings import without_entries

from pull_request.edits.config_fields import declared, unchecked, unread
from pull_request.values import PACKAGE


# What asks any configuration for fields.
SHARED = tuple(
    f"{PACKAGE}/{name}.py" for name in ("modeling_utils", "masking_utils", "cache_utils", "generation/utils")
)
GENERIC = "GenericFor", f"{PACKAGE}/modeling_layers.py"  # heads that all models share, where a model has one


def inherited_unused(configuration: str, modeling: str, of_base: str) -> list[str]:
    """The fields of a configuration file that the model's modeling file leaves unread, unlike the base's, in order.

    Args:
        configuration: the text of the gated model's; `modeling` is that of its modeling file.
        of_base: the text of the base's modeling file.
    """
    fields = [name for name in dict.fromkeys(declared(configuration)) if not unchecked(name)]
    lost = unread(fields, modeling)
    return [name for name in lost if name not in unread(lost, of_base)]


def shared_texts(read: Callable[[str], str | None], modeling: str) -> list[str]:
    """The texts of files that may ask any configuration for fields; `modeling` is a model's, `read` gives a tree's files."""
    paths = (*SHARED, *(GENERIC[1:] if GENERIC[0] in modeling else ()))
    return [text for path in paths if (text := read(path)) is not None]


def removable(configuration: str, modeling: str, of_base: str, shared: Iterable[str]) -> list[str]:
    """Those of the inherited unused fields that nothing else asks for: no other file, and not the configuration itself.

    Of a model out of several parts there are none: its configurations are made to fit each other.

    Args:
        configuration, modeling: the texts of the model's generated files.
        of_base: the text of the base's modeling file.
        shared: the texts of other files that may ask for fields: see `shared_texts`.
    """
    classes = _configs(module_of(configuration))
    if len(classes) != 1:
        return []
    asked = set(_said(classes[0])) | {name for text in shared for name in _said(tree_of(text))}
    return [name for name in inherited_unused(configuration, modeling, of_base) if name not in asked]


def without_unused(modular: str, configuration: str, modeling: str, of_base: str, shared: Iterable[str]) -> str:
    """The modular file whose configuration removes what only heads without gates read (GPT-2's `summary_type`).

    Args:
        modular: its text, which comes back as it is where there is nothing to remove.
        configuration, modeling: the texts of what was made of it.
        of_base: the text of the base's modeling file.
        shared: the texts of other files that may ask for fields: see `shared_texts`.
    """
    module = module_of(modular)
    here = _configs(module)
    gone = removable(configuration, modeling, of_base, shared)
    if not gone or len(here) != 1:
        return modular
    own = annotated(here[0])
    gone = [name for name in gone if name not in own]
    if not gone or not own:
        return modular
    removed = "".join(f"    {name} = AttributeError()\n" for name in gone)
    edits = [above(next(iter(own.values())), removed), *_undescribed(here[0], gone)]
    return edited(module, edits).source.text


def _undescribed(node: ast.ClassDef, names: list[str]) -> list[Edit]:
    """The edit of a docstring that describes fields which are no more."""
    said = ast.get_docstring(node)
    if said is None:
        return []
    inside = textwrap.indent(without_entries(said, names), "    ")
    end = '"""' if inside.endswith("```") else '\n    """'
    return [replaced(node.body[0], f'    r"""\n{inside}{end}')]


def _configs(module: Module) -> list[ast.ClassDef]:
    return [node for name, node in module.classes.items() if name.endswith("Config")]


def _said(node: ast.AST) -> Iterator[str]:
    """The attributes, and the texts of one word, that some code names: `self.x`, `{"y": "x"}`."""
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute):
            yield each.attr
        elif (said := string(each)) is not None:
            yield said
