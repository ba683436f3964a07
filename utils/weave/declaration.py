"""A short delta read: which base, which kind of gate, where it goes, and what else the delta says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from diagnostics.errors import ConversionError
from diagnostics.names import nearest
from syntax.modules import Module, Placed, read_module
from syntax.queries import is_super_call
from syntax.source import Source

from weave.declared import Declared, is_of, read_class
from weave.gate import Site
from weave.kind_checks import lacks_splice
from weave.kinds import PACKAGE, GateKind
from weave.place import Scaled


_MAYBE_SHORT = re.compile(r"^[ \t]*(?:from|import)[ \t]+gates\b", re.MULTILINE)
_BASE = re.compile(r"transformers\.models\.(?P<folder>\w+)\.modeling_(?P<name>\w+)")
_NAME_A_BASE = "write `from transformers.models.<model> import modeling_<model> as base`"


@dataclass(frozen=True)
class Declaration:
    """A short delta."""

    module: Module
    alias: str  # what it calls the base: "base"
    base: str  # the module of the base
    names_base: ast.stmt  # the import of that module
    folder: str  # of the base, below transformers.models
    model: str  # of the base: that of modeling_<model>.py
    gates: tuple[ast.ImportFrom, ...]  # imports of the kind of gate and of the modules that define it
    imports: tuple[ast.Import | ast.ImportFrom, ...]  # those of other modules
    classes: tuple[Declared, ...]

    @property
    def places(self) -> dict[str, Declared]:
        """The classes with an anchor by the base's class, in their order."""
        return {each.parent: each for each in self.classes if each.place is not None and each.parent}

    @property
    def restated(self) -> Iterator[str]:
        """The base's methods that the delta writes anew, without a call of the base's own: "LlamaMLP.forward"."""
        for each in self.classes:
            for method in each.node.body:
                if isinstance(method, ast.FunctionDef) and not any(
                    is_super_call(statement, method.name) for statement in method.body
                ):
                    yield f"{each.parent}.{method.name}"

    def refuse(self, node: Placed | None, code: str, message: str, fix: str) -> ConversionError:
        """The exception to raise for a problem at a place of the delta.

        Args:
            node: the place; None for the delta as a whole.
            code: of the problem, as docs/errors.md lists them.
            message: what is wrong.
            fix: what to do about it.
        """
        return self.module.refuse(node, code, message, fix)


def is_short(source: Source) -> bool:
    """Whether a modular file is a short delta: it imports something of `gates`."""
    if not _MAYBE_SHORT.search(source.text):
        return False
    try:
        return any(map(_imports_gates, ast.walk(read_module(source).tree)))
    except ConversionError:
        return True  # it is refused where it is read


def _imports_gates(node: ast.AST) -> bool:
    names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
    names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
    return any(name.split(".")[0] == PACKAGE for name in names)


def read_delta(source: Source) -> Module:
    """Parse a delta. Raises ConversionError (`syntax-error`) where it is no Python."""
    try:
        return read_module(source)
    except ConversionError as error:
        [problem] = error.diagnostics
        message, fix = f"not Python: {problem.message}", "correct the syntax"
        raise source.refuse(problem.line, problem.column, "syntax-error", message, fix) from None


def gate_of(module: Module) -> tuple[ast.ImportFrom, str]:
    """The import of a short delta's kind of gate, and the kind.

    Raises ConversionError: `no-gate` where nothing is imported from `gates.<kind>`, `several-gates` where from two.
    """
    found = [node for node in module.tree.body if isinstance(node, ast.ImportFrom) and _kind(node)]
    imports = [node for node in ast.walk(module.tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    others = [node for node in imports if _imports_gates(node) and node not in found]
    if others:
        message = "a kind of gate is imported by its words, at the top of the delta"
        raise module.refuse(others[0], "no-gate", message, "write `from gates.<kind> import <Word>`")
    if not found:
        fix = "write `from gates.<kind> import <Word>`"
        raise module.refuse(None, "no-gate", "this delta imports no kind of gate", fix)
    first = _kind(found[0])
    for node in found:
        if _kind(node) != first:
            message = f"this delta imports gates of two kinds, {first} and {_kind(node)}"
            raise module.refuse(node, "several-gates", message, "declare one kind of gate in a delta")
    return found[0], str(first)


def _kind(node: ast.ImportFrom) -> str | None:
    parts = (node.module or "").split(".")
    return parts[1] if not node.level and len(parts) > 1 and parts[0] == PACKAGE else None


def read_declaration(source: Source, kind: GateKind) -> Declaration:
    """Read a short delta.

    Raises ConversionError at the line of what cannot be meant: `no-base`, `several-bases`, `unknown-word`,
    `bad-anchor`, `several-gates`; `no-splice` at that of the kind, which cannot do what the delta wants of it.
    """
    module = read_delta(source)
    alias, base, statement = _base(module)
    match = _BASE.fullmatch(base)
    if match is None:
        message = f"`{base}` is not the modeling file of a model of transformers"
        raise module.refuse(statement, "no-base", message, _NAME_A_BASE)
    gates = [node for node in module.tree.body if isinstance(node, ast.ImportFrom) and _kind(node)]
    words = _words(module, kind)
    attribute = kind.gate.attribute
    classes = [
        read_class(module, node, alias, words, attribute)
        for node in module.tree.body
        if isinstance(node, ast.ClassDef)
    ]
    imports = [
        node
        for node in module.tree.body
        if isinstance(node, ast.Import | ast.ImportFrom) and node is not statement and node not in gates
    ]
    return Declaration(
        module, alias, base, statement, match["folder"], match["name"], tuple(gates), tuple(imports), tuple(classes)
    )


def _base(module: Module) -> tuple[str, str, ast.stmt]:
    """What the delta calls its base, the base's module, and the import that says so."""
    found = [each for node in module.tree.body for each in _bases(node)]
    if len({name for _, name, _ in found}) > 1:
        message = f"this delta names two bases, {found[0][1]} and {found[1][1]}"
        fix = "import what else it needs by name: `from transformers.models.<model>.modeling_<model> import <Class>`"
        raise module.refuse(found[1][2], "several-bases", message, fix)
    if found:
        return found[0]
    message = "this delta does not say which base it gates"
    raise module.refuse(_nearly_a_base(module), "no-base", message, _NAME_A_BASE)


def _bases(node: ast.stmt) -> Iterator[tuple[str, str, ast.stmt]]:
    """The modeling modules that a statement imports as modules: (name in the delta, module, statement)."""
    for name in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
        if isinstance(node, ast.ImportFrom) and not node.level and name.name.startswith("modeling_"):
            if re.match(r"(transformers\.models|generated)\.", node.module or ""):
                yield name.asname or name.name, f"{node.module}.{name.name}", node
        elif isinstance(node, ast.Import) and name.asname and ".modeling_" in name.name:
            yield name.asname, name.name, node


def _nearly_a_base(module: Module) -> ast.stmt | None:
    """The import that may be meant to name the base."""
    for node in module.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            origin = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            parts = [part for name in (origin, *(each.name for each in node.names)) for part in name.split(".")]
            if any(part.startswith(("modeling_", "configuration_")) for part in parts):
                return node
    return None


def _words(module: Module, kind: GateKind) -> dict[str, str]:
    """What the delta calls the words of its kind of gate."""
    found: dict[str, str] = {}
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and not node.level and node.module == f"{PACKAGE}.{kind.name}":
            for alias in node.names:
                if alias.name == Scaled.__name__ and Site.HANDED_OUTPUT not in kind.splices:
                    needed = "bases need whose residual is added by a class that a layer hands its output to"
                    raise lacks_splice(kind.declaration, Site.HANDED_OUTPUT, needed)
                if alias.name not in kind.words:
                    close = nearest(alias.name, kind.words)
                    fix = f"did you mean `{close}`?" if close else f"it declares {', '.join(sorted(kind.words))}"
                    message = f"{PACKAGE}.{kind.name} has no `{alias.name}`"
                    raise module.refuse(node, "unknown-word", message, fix)
                found[alias.asname or alias.name] = kind.words[alias.name]
    return found


def mentions(declaration: Declaration) -> list[ast.Attribute]:
    """Every `base.Name` of a delta."""
    return [
        node
        for node in ast.walk(declaration.module.tree)
        if isinstance(node, ast.Attribute) and is_of(node, declaration.alias)
    ]
