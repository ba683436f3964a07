"""What a gated model changes of its base, class by class and method by method."""

from __future__ import annotations

import ast
import copy
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from facts.values import ModelFacts
from syntax.queries import behind_docstring, classes, methods, string
from syntax.trees import statements_of, tree_of
from weave.docstrings import entry_name

from pull_request.layout import MODELS, configuration_path, modeling_path, modular_path
from pull_request.parents import parents
from pull_request.values import Tree


_ASSIGNED = re.compile(r"(\w+)(?:: | = )")
_FEW, _SHORT = 5, 300  # lines, and characters, of what is shown of a change


@dataclass(frozen=True, slots=True)
class Change:
    """One row: a class, the part of it that differs, by how many lines of its syntax tree, and what that is for."""

    place: str  # "`QualityGateLlamaModel`", "module"
    part: str  # "`forward`", "attributes", "new class"
    added: int
    removed: int
    says: str = ""  # what its docstring says first, or else the few lines that were added


def changes(facts: ModelFacts, tree: Tree) -> list[Change]:
    """The rows of both generated files, in the order of the files. Layout, comments and docstrings do not count.

    What a gated model takes over from another one has no rows: those are in the other's table.
    """
    found: list[Change] = []
    for kind in ("configuration", "modeling"):
        ours = tree.read(f"{MODELS}/{facts.package}/{kind}_{facts.package}.py") or ""
        base = _members(tree.read(f"{MODELS}/{facts.name}/{kind}_{facts.name}.py") or "")
        gated = _members(_renamed(ours, facts))
        said = _said(ours, facts)
        known = [_members(_renamed_parent(text, facts)) for text in _parents(facts, tree, kind)]
        for name, parts in gated.items():
            if not name:
                theirs = base.get(name, {})
                taken = {
                    part for each in known for part, text in each.get(name, {}).items() if parts.get(part) == text
                }
                parts = {part: text for part, text in parts.items() if part in theirs or part not in taken}
            if name in base or not name or not any(each.get(name) == parts for each in known):
                found += _compare(name, parts, base.get(name), facts, said)
    return found


def _parents(facts: ModelFacts, tree: Tree, kind: str) -> Iterator[str]:
    """The files of the gated models that a modular file imports from."""
    modular = tree.read(modular_path(facts.package)) or ""
    for parent in sorted(parents(modular)):
        yield tree.read(f"{MODELS}/{parent}/{kind}_{parent}.py") or ""


def _renamed_parent(text: str, facts: ModelFacts) -> str:
    """Another gated model's text under the base's names."""
    names = (node.name for node in classes(tree_of(text)))
    prefix = next((name.removesuffix("PreTrainedModel") for name in names if name.endswith("PreTrainedModel")), "")
    return text.replace(prefix, facts.base_prefix) if prefix else text


def lines_saved(facts: ModelFacts, tree: Tree) -> tuple[int, int]:
    """Lines written by hand (the modular file), and lines generated from them."""
    written = len((tree.read(modular_path(facts.package)) or "").splitlines())
    paths = (configuration_path(facts.package), modeling_path(facts.package))
    return written, sum(len((tree.read(path) or "").splitlines()) for path in paths)


def _compare(
    name: str, parts: dict[str, str], base: dict[str, str] | None, facts: ModelFacts, said: dict[str, str]
) -> Iterator[Change]:
    shown = f"`{facts.prefix}{name.removeprefix(facts.base_prefix)}`" if name else "module"
    if base is None and name:
        lines = sum(len(text.splitlines()) for text in parts.values())
        yield Change(shown, "new class", lines, 0, said.get(name, ""))
        return
    base = base or {}
    for part in [*parts, *(each for each in base if each not in parts)]:
        added, removed = _lines(base.get(part, ""), parts.get(part, ""))
        if added or removed:
            standing = part if part in base else f"{part}, new"
            says = "" if part in base else said.get(f"{name}{part}", "")
            shown_part = standing if part in parts else f"{part}, gone"
            yield Change(shown, shown_part, len(added), len(removed), says or _in_few_words(added, facts))


def _lines(old: str, new: str) -> tuple[list[str], list[str]]:
    """The lines that came, and those that went."""
    lines = list(difflib.ndiff(old.splitlines(), new.splitlines()))
    came, went = ([line[2:].strip() for line in lines if line[0] == mark] for mark in "+-")
    return came, went


def _in_few_words(added: list[str], facts: ModelFacts) -> str:
    """Lines that came, where they say in a cell of a table what the change is."""
    shown = [line.replace(facts.base_prefix, facts.prefix) for line in added if not line.startswith("def ")]
    decorators = [line for line in shown if line.startswith("@")]
    text = ", ".join(f"`{line}`" for line in shown)
    if decorators and (len(decorators) == len(shown) or len(text) > _SHORT):
        text = f"decorated: {', '.join(f'`{line}`' for line in decorators)}"
    elif len(shown) > _FEW or len(text) > _SHORT:
        names = [found[1] for line in shown if (found := _ASSIGNED.match(line))]
        text = ", ".join(f"`{name}`" for name in names) if len(names) == len(shown) else ""
    return text.replace("|", "\\|")


def _said(text: str, facts: ModelFacts) -> dict[str, str]:
    """What classes, functions ("`name`") and methods ("Class`name`") say of themselves first, by their base's names."""
    found: dict[str, str] = {}
    for node in statements_of(text):
        if isinstance(node, ast.FunctionDef):
            found[f"`{node.name}`"] = _first_sentence(node)
        elif isinstance(node, ast.ClassDef):
            name = _renamed(node.name, facts)
            found[name] = _first_sentence(node)
            found |= {f"{name}`{each.name}`": _first_sentence(each) for each in methods(node)}
    return found


def _first_sentence(node: ast.FunctionDef | ast.ClassDef) -> str:
    """The introduction of `auto_docstring`, or the first sentence of the docstring; "" of one that begins with fields."""
    keywords = [each for call in node.decorator_list if isinstance(call, ast.Call) for each in call.keywords]
    intro = next((string(each.value) for each in keywords if each.arg == "custom_intro"), None)
    first = " ".join((intro or ast.get_docstring(node) or "").split("\n\n")[0].split())
    if not intro and entry_name(first):
        return ""
    return re.split(r"(?<=\.) ", first)[0].replace("|", "\\|")


def _renamed(text: str, facts: ModelFacts) -> str:
    """The gated model's text under its base's names."""
    return text.replace(facts.prefix, facts.base_prefix).replace(facts.package, facts.name)


def _members(text: str) -> dict[str, dict[str, str]]:
    """The classes of a file, and what each is made of: methods by name and the rest; functions stand under ""."""
    found: dict[str, dict[str, str]] = {}
    for node in statements_of(text):
        if isinstance(node, ast.FunctionDef):
            found.setdefault("", {})[f"`{node.name}`"] = _code(node)
        elif isinstance(node, ast.ClassDef):
            found[node.name] = _parts(node)
    return found


def _parts(node: ast.ClassDef) -> dict[str, str]:
    parts = {"attributes": ""}
    for each in node.body:
        if isinstance(each, ast.FunctionDef):
            parts[f"`{each.name}`"] = _code(each)
        elif not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)) and not isinstance(
            each, ast.Pass
        ):
            parts["attributes"] += ast.unparse(each) + "\n"
    return parts


def _code(node: ast.FunctionDef) -> str:
    shown = copy.copy(node)  # trees belong to all that read a text
    shown.body = behind_docstring(node) or [ast.Pass()]
    return ast.unparse(shown)
