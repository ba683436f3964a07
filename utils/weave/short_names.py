"""A short delta in the woven text's own words: `base.X` is X, and what its gate's modules define has the model's names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from diagnostics.names import nearest
from syntax.edits import changed
from syntax.source import Source

from weave.base import Base
from weave.declaration import Declaration, mentions
from weave.kinds import PACKAGE, GateKind
from weave.names import Names


def plain(declaration: Declaration, base: Base, names: Names) -> Source:
    """The delta's text in those words.

    Raises ConversionError at the line of an import that its kind of gate does not have: `unknown-word`, `aliased-import`.
    """
    module = declaration.module
    given = dict(_given(declaration, base.kind, names))
    words: dict[ast.expr, str] = {node: node.attr for node in mentions(declaration)}
    words |= {
        node: given[node.id] for node in ast.walk(module.tree) if isinstance(node, ast.Name) and node.id in given
    }
    inside = {id(node.value) for node in mentions(declaration)}
    words = {node: word for node, word in words.items() if id(node) not in inside}
    text = module.source.text
    return replace(module.source, text=changed(text, (0, len(text.encode())), words))


def _given(declaration: Declaration, kind: GateKind, names: Names) -> Iterator[tuple[str, str]]:
    """What the delta imports from the modules of its gate, each with the name that it has in the model."""
    known = {each.source.module.rpartition(".")[2]: each for each in kind.modules}
    for node in declaration.gates:
        module = (node.module or "").removeprefix(f"{PACKAGE}.{kind.name}").lstrip(".")
        if not module:
            continue
        if module not in known:
            close = nearest(module, known)
            fix = f"did you mean `{close}`?" if close else f"its modules are {', '.join(known)}"
            message = f"{PACKAGE}.{kind.name} has no module `{module}`"
            raise declaration.refuse(node, "unknown-word", message, fix)
        for alias in node.names:
            if alias.name not in known[module].definitions:
                close = nearest(alias.name, known[module].definitions)
                fix = f"did you mean `{close}`?" if close else "import one of the names that it defines"
                raise declaration.refuse(node, "unknown-word", f"{node.module} defines no `{alias.name}`", fix)
            if alias.asname:
                message = f"`{alias.name}` is imported as `{alias.asname}`, and is written out under its own name"
                raise declaration.refuse(node, "aliased-import", message, f"import `{alias.name}` under its own name")
            if alias.name in kind.roles:
                own = kind.named(alias.name, names.prefix, names.module)
                message = f"`{alias.name}` stands for a class of each model"
                raise declaration.refuse(node, "unknown-word", message, f"name the model's own, `{own}`")
            yield alias.name, kind.named(alias.name, names.prefix, names.module)
