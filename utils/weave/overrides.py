"""What a short delta says besides places, merged over the woven text by the converter's own merge."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from diagnostics.names import nearest
from syntax.source import Source

from converter.checks import by_place, exported_names, warnings_of
from converter.class_checks import check_pair
from converter.index import ClassParts, ModuleIndex, Statement, StatementKind, index_module, take_apart
from converter.merge import ClassPair, merge_class
from weave.base import Base
from weave.declaration import Declaration
from weave.docstrings import merge_entries
from weave.names import Names
from weave.short_names import plain


_LICENCE = """\
# Copyright 2026 The Quality Gate team.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License."""
_DEFINITIONS = (StatementKind.CLASS, StatementKind.FUNCTION, StatementKind.ASSIGNMENT)
_SPDX = re.compile(r"^# SPDX-License-Identifier: Apache-2\.0$", re.MULTILINE)


class Overrides:
    """The classes, functions and constants of a short delta, in the words of the woven text."""

    def __init__(self, declaration: Declaration, base: Base, names: Names) -> None:
        self.declaration, self.base = declaration, base
        self.delta = index_module(plain(declaration, base, names))
        self.classes = {each.name: each for each in declaration.classes}

    @property
    def header(self) -> str:
        """The comments that open the file: an SPDX line stands for the whole licence."""
        text = self.delta.header.strip("\n")
        return _LICENCE if not text or _SPDX.fullmatch(text) else text

    @property
    def docstring(self) -> str:
        """The delta's docstring, as it is written there."""
        module = self.declaration.module
        if ast.get_docstring(module.tree) is None:
            return f'"""{self.base.gated_name}."""'
        return ast.get_source_segment(module.source.text, module.tree.body[0]) or ""

    @property
    def configs(self) -> list[str]:
        """The configurations that the delta has classes for: those of models around the language model are exported."""
        known = self.base.configuration.classes
        return [each.name for each in self.declaration.classes if each.parent in known and each.says_more]

    @property
    def imports(self) -> str:
        """The import statements of other modules than the gate's and the base's."""
        return "\n".join(ast.unparse(each) for each in self.declaration.imports)

    def merge(self, body: str) -> str:
        """The woven text with everything that the delta says put over it, or beside it.

        Raises ConversionError (`no-effect`) where a definition neither overrides anything nor is used.
        """
        woven = index_module(Source(self.declaration.module.source.path, "woven", body))
        texts = {each.names[0]: each for each in woven.statements if each.kind in _DEFINITIONS}
        ours = {name: each for name, each in self.delta.definitions.items() if self._is_own(name)}
        self._check_used(ours, woven)
        merged = {name: self._merged(name, ours[name], texts[name]) for name in ours if name in texts}
        placed = self._placed([name for name in ours if name not in texts], list(self.delta.definitions), set(texts))
        pieces: list[str] = []
        for each in woven.statements:
            name = each.names[0] if each.names else ""
            pieces += [_apart(ours[other]) for other in placed.get(f"<{name}", ())]
            pieces.append(merged.get(name, each.whole))
            pieces += [_apart(ours[other]) for other in placed.get(name, ())]
        return "".join(pieces)

    def _is_own(self, name: str) -> bool:
        """Whether the delta says more of a class than where its gate goes."""
        declared = self.classes.get(name)
        return declared is None or declared.says_more or declared.place is None

    def _check_used(self, ours: Mapping[str, Statement], woven: ModuleIndex) -> None:
        """Every definition stands for one of the base or of the woven text, or is used by something."""
        base, exported = self.base, exported_names(self.delta) if "__all__" in ours else None
        known = {*woven.definitions, *base.modeling.definitions, *base.configuration.definitions}
        known |= {*base.gated_names.values(), *(exported or ()), "__aliases__"}
        for name, each in ours.items():
            if name in known or (name in self.classes and self.classes[name].parent):
                continue
            users = [self.delta.mentions[other] for other in self.delta.definitions if other != name]
            users += [woven.mentions[other] for other in woven.definitions]
            if not any(name in words for words in users):
                close = nearest(name, known)
                fix = f"did you mean `{close}`?" if close else "use it, or leave it out"
                message = f"`{name}` overrides nothing, and nothing uses it"
                raise self.declaration.refuse(each.node, "no-effect", message, fix)

    def _merged(self, name: str, own: Statement, woven: Statement) -> str:
        if own.kind is not StatementKind.CLASS or woven.kind is not StatementKind.CLASS:
            return woven.lead + own.text
        self._check_parent(name, woven)
        delta, parent = self._members(name, take_apart(own)), take_apart(woven)
        if not delta.members and delta.bases[1:] == () and not delta.decorators:
            return woven.whole
        warnings_of(by_place(check_pair(self.delta, delta, parent, name)), True)
        delta = replace(delta, members=tuple(_with_entries(delta, parent)))
        pair = ClassPair(parent, delta, delta.bases[0] if delta.bases else "", self.base.casing)
        return merge_class(pair)

    def _check_parent(self, name: str, woven: Statement) -> None:
        """A class that the weave makes from one of the base is not made from another."""
        declared = self.classes[name]
        made = next((old for old, new in self.base.gated_names.items() if new == name), None)
        if made is not None and declared.parent is None:
            message = f"`{name}` is made from the base's {made}"
            fix = f"write `class {name}({self.declaration.alias}.{made}):`"
            raise self.declaration.refuse(declared.node, "unknown-class", message, fix)

    def _members(self, name: str, parts: ClassParts) -> ClassParts:
        """A class of the delta without the place that it declares."""
        anchor = self.classes[name].anchor
        wanted = ast.dump(anchor) if anchor is not None else None
        kept = [
            each
            for each in parts.members
            if not isinstance(each.node, ast.Pass) and (wanted is None or ast.dump(each.node) != wanted)
        ]
        return replace(parts, members=tuple(kept))

    def _placed(self, new: list[str], order: list[str], known: set[str]) -> dict[str, list[str]]:
        """Where definitions go that the woven text has not: each behind what stands above it in the delta.

        "<name" stands for the place before a definition: what stands at the top of the delta goes before the next
        definition of it that the woven text has, or else before `__all__`, which stays last.
        """
        found: dict[str, list[str]] = {}
        for name in new:
            place = order.index(name)
            above = next((each for each in reversed(order[:place]) if each in known - {"__all__"}), None)
            below = next((each for each in order[place:] if each in known), "__all__")
            found.setdefault(above or f"<{below}", []).append(name)
        return found


def _apart(statement: Statement) -> str:
    """A definition with the comments above it, apart from others."""
    return "\n\n\n" + statement.whole.strip("\n") + "\n"


def _with_entries(delta: ClassParts, parent: ClassParts) -> Iterator[Statement]:
    """The members of a class; a docstring of entries alone changes those entries of the woven one."""
    theirs = next((each for each in parent.members if each.kind is StatementKind.DOCSTRING), None)
    for each in delta.members:
        if each.kind is StatementKind.DOCSTRING and theirs is not None:
            merged = merge_entries(theirs.text, each.text)
            yield replace(each, text=merged) if merged is not None else each
        else:
            yield each
