"""What a short delta says besides places, merged over the woven text by the converter's own merge."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from converter.diagnostics import nearest
from converter.index import ClassParts, ModuleIndex, Statement, index_module, take_apart
from converter.merge import ClassPair, merge_class
from converter.source import Source
from weave.base import Base
from weave.declaration import Declaration, Declared
from weave.docstrings import merge_entries


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
_SPDX = re.compile(r"^# SPDX-License-Identifier: Apache-2\.0$", re.MULTILINE)


class Overrides:
    """The classes, functions and constants of a short delta, checked against the base."""

    def __init__(self, declaration: Declaration, base: Base) -> None:
        self.declaration, self.base = declaration, base
        self.index = index_module(_without_alias(declaration))
        for each in declaration.classes:
            self._check(each)

    @property
    def header(self) -> str:
        """The comments that open the file: an SPDX line stands for the whole licence."""
        text = self.index.header.strip("\n")
        return _LICENCE if not text or _SPDX.fullmatch(text) else text

    @property
    def docstring(self) -> str:
        """The delta's docstring, as code."""
        found = ast.get_docstring(self.declaration.module.tree, clean=False)
        return f'"""{found}"""' if found else f'"""{self.base.gated_name}."""'

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
        """The woven text with everything that the delta says put over it, or beside it."""
        woven = index_module(Source(self.declaration.module.source.path, "woven", body))
        texts = {each.names[0]: each for each in woven.statements if each.kind in ("class", "function", "assignment")}
        ours = {name: each for name, each in self.index.definitions.items() if self._is_own(name)}
        merged = {name: self._merged(name, ours[name], texts[name]) for name in ours if name in texts}
        placed = self._placed([name for name in ours if name not in texts], list(ours), list(texts))
        pieces: list[str] = []
        for each in woven.statements:
            name = each.names[0] if each.names else ""
            pieces += ["\n\n\n" + ours[other].text.rstrip("\n") + "\n" for other in placed.get(f"<{name}", ())]
            pieces.append(merged.get(name, each.whole))
            pieces += ["\n\n\n" + ours[other].text.rstrip("\n") + "\n" for other in placed.get(name, ())]
        return "".join(pieces)

    def _is_own(self, name: str) -> bool:
        """Whether the delta says more of a class than where its gate goes."""
        declared = next((each for each in self.declaration.classes if each.name == name), None)
        return declared is None or declared.says_more or declared.place is None

    def _merged(self, name: str, own: Statement, woven: Statement) -> str:
        if own.kind != "class" or woven.kind != "class":
            return woven.lead + own.text
        delta, parent = self._members(name, take_apart(own)), take_apart(woven)
        if not delta.members and delta.bases[1:] == () and not delta.decorators:
            return woven.whole
        delta = replace(delta, members=tuple(_with_entries(delta, parent)))
        pair = ClassPair(parent, delta, delta.bases[0] if delta.bases else "", self.base.casing)
        return merge_class(pair)

    def _members(self, name: str, parts: ClassParts) -> ClassParts:
        """A class of the delta without the place that it declares."""
        anchors = {ast.dump(each.anchor) for each in self.declaration.classes if each.name == name and each.anchor}
        kept = [
            each
            for each in parts.members
            if ast.dump(each.node) not in anchors and not isinstance(each.node, ast.Pass)
        ]
        return replace(parts, members=tuple(kept))

    def _placed(self, new: list[str], order: list[str], known: list[str]) -> dict[str, list[str]]:
        """Where definitions go that the woven text has not: each behind what stands above it in the delta.

        "<name" stands for the place before a definition: what stands at the top of the delta goes before the next
        definition of it that the woven text has, or else before `__all__`.
        """
        found: dict[str, list[str]] = {}
        for name in new:
            place = order.index(name)
            above = next((each for each in reversed(order[:place]) if each in known), None)
            below = next((each for each in order[place:] if each in known), "__all__")
            found.setdefault(above or f"<{below}", []).append(name)
        return found

    def _check(self, declared: Declared) -> None:
        """A class of the base is overridden under the name that its gated one has."""
        if declared.parent is None:
            return
        module = self.base.modeling
        known = {**module.classes, **self.base.configuration.classes}
        if declared.parent not in known:
            close = nearest(declared.parent, known)
            fix = f"did you mean `{close}`?" if close else "name a class of the base"
            message = f"the base has no class `{declared.parent}`"
            raise self.declaration.refuse(declared.node.bases[0], "unknown-class", message, fix)
        wanted = self.base.gated(declared.parent)
        if declared.name != wanted:
            message = f"the gated {declared.parent} is called `{wanted}`, so `{declared.name}` would change nothing"
            raise self.declaration.refuse(declared.node, "unknown-class", message, f"did you mean `{wanted}`?")


def _without_alias(declaration: Declaration) -> Source:
    """The delta with the base's definitions named as in their own module: `base.X` is X."""
    module = declaration.module
    lines = [line.encode() for line in module.source.text.split("\n")]
    found = [
        node
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == declaration.alias
    ]
    for node in sorted(found, key=lambda each: (each.lineno, each.col_offset), reverse=True):
        line = lines[node.lineno - 1]
        assert node.end_col_offset is not None
        if node.end_lineno == node.lineno:
            lines[node.lineno - 1] = line[: node.col_offset] + node.attr.encode() + line[node.end_col_offset :]
    return replace(module.source, text=b"\n".join(lines).decode())


def _with_entries(delta: ClassParts, parent: ClassParts) -> Iterator[Statement]:
    """The members of a class; a docstring of entries alone changes those entries of the woven one."""
    theirs = next((each for each in parent.members if each.kind == "docstring"), None)
    for each in delta.members:
        if each.kind == "docstring" and theirs is not None:
            merged = merge_entries(theirs.text, each.text)
            yield replace(each, text=merged) if merged is not None else each
        else:
            yield each


def members_of(index: ModuleIndex, name: str) -> ClassParts | None:
    """A class of a module taken apart."""
    found = index.definitions.get(name)
    return take_apart(found) if found is not None and found.kind == "class" else None
