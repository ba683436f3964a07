"""A planned file -> its text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from syntax.scan import mentions_with_annotations

from converter.annotations import kept_future
from converter.banner import render_banner
from converter.imports import (
    Guard,
    ImportItem,
    ImportLine,
    choose_imports,
    map_items,
    put_behind_guards,
    read_imports,
)
from converter.kinds import COPIES, OPTIONAL_TORCH
from converter.parents import followed_imports
from converter.plan import Draft
from converter.scope import Scope
from converter.values import Layout, Target


_ANCHORS = {2: "transformers.models", 3: "transformers"}  # what dots mean in a file of a model
_INSIDE = re.compile(r"^([ \t]+from )(\.{2,3})([\w.]*)(?= import )", re.MULTILINE)


def emit_file(scope: Scope, drafts: Mapping[str, Draft], kind: str, target: Target, exported: Sequence[str]) -> str:
    """The unformatted text of one output file.

    Args:
        scope: the delta and its parents.
        drafts: all output files of the model, by kind.
        kind: of this file, "modeling".
        target: the form of the files.
        exported: the names of its `__all__`; without any, it has none.
    """
    draft = drafts[kind]
    body = "".join(draft.body.values())
    own, followed = split_imports(scope)
    sources = [own, *(parent.imports for parent in scope.parents.values()), followed]
    beside = {name for other in drafts.values() for name in other.body}
    lent = {item.binds for source in sources for each in source for item in each.items}
    used = mentions_with_annotations(body, lent | beside)
    guarded_names = {
        item.binds for source in sources for each in source if isinstance(each, Guard) for item in each.items
    }
    siblings = sibling_imports(drafts, draft, target.model, used - guarded_names)
    provided = draft.body.keys() | draft.lost.keys() | {item.binds for line in siblings for item in line.items}
    plain, guards = choose_imports(sources, body, used, provided)
    plain += siblings
    if kind in OPTIONAL_TORCH:
        plain, guards = put_behind_guards(plain, guards)
    needed: list[ImportLine | Guard] = [*plain, *guards]
    lines = [localize(each, target) for each in needed]
    imports = "".join(each.render() for each in lines)
    if target.layout is Layout.PACKAGE:
        body = _INSIDE.sub(lambda found: found[1] + _absolute(len(found[2]), found[3]), body)
    imports = kept_future(scope, target, imports + body) + imports
    exports = ""
    if exported:
        names = ", ".join(f'"{name}"' for name in exported)
        exports = f"{scope.delta.definitions['__all__'].lead}__all__ = [{names}]\n"
    return f"{render_banner(target)}{scope.delta.header}{imports}{body}{exports}"


def split_imports(scope: Scope) -> tuple[list[ImportLine | Guard], list[ImportLine]]:
    """The delta's imports that stay imports, and those that are followed.

    What is followed is mostly taken apart or copied; a class that the delta uses without inheriting from it stays an
    import, after all others.
    """
    followed = {each.item for each in followed_imports(scope.delta)}
    own: list[ImportLine | Guard] = []
    left: list[ImportLine] = []
    for each in read_imports(scope.delta):
        if isinstance(each, Guard):
            own.append(each)
            continue
        for items, kept in (
            (tuple(item for item in each.items if item not in followed), own),
            (tuple(item for item in each.items if item in followed), left),
        ):
            if items:
                kept.append(replace(each, items=items))
    return own, left


def sibling_imports(drafts: Mapping[str, Draft], draft: Draft, model: str, used: Iterable[str]) -> list[ImportLine]:
    """Imports of what other output files of the model define.

    Args:
        drafts: all output files of the model, by kind.
        draft: the file that imports.
        model: the model's snake_case name.
        used: the names that the file mentions.
    """
    found: dict[str, ImportLine] = {}
    # what they copy is imported from its home
    for other in sorted(drafts.values(), key=lambda each: each.kind in COPIES):
        for name in other.body:
            if other is not draft and name in used and name not in draft.body and name not in found:
                found[name] = ImportLine("", (ImportItem(f"{other.kind}_{model}", name, level=1),))
    return list(found.values())


def localize(each: ImportLine | Guard, target: Target) -> ImportLine | Guard:
    """In package layout, imports of transformers are absolute; those of sibling files stay relative."""
    if target.layout is Layout.TREE:
        return each
    return map_items(each, lambda item: absolute(item) if item.level > 1 else item)


def absolute(item: ImportItem) -> ImportItem:
    """`from ...utils import x` -> `from transformers.utils import x`, as seen from a file of a model."""
    if item.level not in _ANCHORS:  # from above transformers, which the module then names
        return replace(item, level=0)
    return replace(item, module=_absolute(item.level, item.module), level=0)


def _absolute(level: int, module: str) -> str:
    return f"{_ANCHORS[level]}.{module}" if module else _ANCHORS[level]
