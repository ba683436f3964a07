"""What a gated model changes of its base, class by class and method by method."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from facts.values import ModelFacts

from upstream.layout import MODELS, configuration_path, modeling_path, modular_path
from upstream.values import Tree


_GATED = re.compile(r"^from \.\.(\w+_gate_\w+)\.", re.MULTILINE)
_ABSTRACT = re.compile(r"^class (\w+PreTrainedModel)\(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Change:
    """One row: a class, the part of it that differs, and by how many lines of its syntax tree."""

    place: str  # "`QualityGateLlamaModel`", "functions of the file"
    part: str  # "`forward`", "attributes", "new class"
    added: int
    removed: int


def changes(facts: ModelFacts, tree: Tree) -> list[Change]:
    """The rows of both generated files, in the order of the files. Layout, comments and docstrings do not count.

    What a gated model takes over from another one has no rows: those are in the other's table.
    """
    found: list[Change] = []
    for kind in ("configuration", "modeling"):
        ours = tree.read(f"{MODELS}/{facts.package}/{kind}_{facts.package}.py") or ""
        base = _members(tree.read(f"{MODELS}/{facts.name}/{kind}_{facts.name}.py") or "")
        gated = _members(_renamed(ours, facts))
        known = [_members(_renamed_parent(text, facts)) for text in _parents(facts, tree, kind)]
        for name, parts in gated.items():
            if not name:
                theirs = base.get(name, {})
                taken = {
                    part for each in known for part, text in each.get(name, {}).items() if parts.get(part) == text
                }
                parts = {part: text for part, text in parts.items() if part in theirs or part not in taken}
            if name in base or not name or not any(each.get(name) == parts for each in known):
                found += _compare(name, parts, base.get(name), facts)
    return found


def _parents(facts: ModelFacts, tree: Tree, kind: str) -> Iterator[str]:
    """The files of the gated models that a modular file imports from."""
    modular = tree.read(modular_path(facts.package)) or ""
    for parent in sorted(set(_GATED.findall(modular))):
        yield tree.read(f"{MODELS}/{parent}/{kind}_{parent}.py") or ""


def _renamed_parent(text: str, facts: ModelFacts) -> str:
    """Another gated model's text under the base's names."""
    prefixes = [name.removesuffix("PreTrainedModel") for name in _ABSTRACT.findall(text)]
    for prefix in prefixes[:1]:
        text = text.replace(prefix, facts.base_prefix)
    return text


def lines_saved(facts: ModelFacts, tree: Tree) -> tuple[int, int]:
    """Lines written by hand (the modular file), and lines generated from them."""
    written = len((tree.read(modular_path(facts.package)) or "").splitlines())
    paths = (configuration_path(facts.package), modeling_path(facts.package))
    return written, sum(len((tree.read(path) or "").splitlines()) for path in paths)


def _compare(name: str, parts: dict[str, str], base: dict[str, str] | None, facts: ModelFacts) -> Iterator[Change]:
    shown = f"`{facts.prefix}{name.removeprefix(facts.base_prefix)}`" if name else "functions of the file"
    if base is None and name:
        lines = sum(len(text.splitlines()) for text in parts.values())
        yield Change(shown, "new class" if lines else "new class, made of its bases alone", lines, 0)
        return
    base = base or {}
    for part in [*parts, *(each for each in base if each not in parts)]:
        added, removed = _count(base.get(part, ""), parts.get(part, ""))
        if added or removed:
            said = part if part in base else f"{part}, new"
            yield Change(shown, said if part in parts else f"{part}, gone", added, removed)


def _count(old: str, new: str) -> tuple[int, int]:
    lines = [line for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line[0] in "+-"]
    added = sum(line[0] == "+" for line in lines)
    return added, len(lines) - added


def _renamed(text: str, facts: ModelFacts) -> str:
    """The gated model's text under its base's names."""
    return text.replace(facts.prefix, facts.base_prefix).replace(facts.package, facts.name)


def _members(text: str) -> dict[str, dict[str, str]]:
    """The classes of a file, and what each is made of: methods by name and the rest; functions stand under ""."""
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(text).body:
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
    if ast.get_docstring(node) is not None:
        node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(node)
