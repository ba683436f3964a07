"""A short delta read: which base, which kind of gate, where it goes, and what else the delta says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from converter.diagnostics import ConversionError, nearest
from converter.source import Source
from weave.kinds import PACKAGE, Kind
from weave.modules import Module, is_super_call, read_module
from weave.place import Place, Scaled


_SHORT = re.compile(rb"^[ \t]*from[ \t]+gates\.\w+[ \t]+import\b", re.MULTILINE)
_BASE = re.compile(r"transformers\.models\.(?P<folder>\w+)\.modeling_(?P<name>\w+)")
_FORMS = {each.__name__: each for each in (Place, Scaled)}


@dataclass(frozen=True)
class Declared:
    """A class of a short delta."""

    node: ast.ClassDef
    parent: str | None  # the base's class that it is made from, as the base names it
    place: Place | Scaled | None
    anchor: ast.stmt | None  # the statement that declares the place

    @property
    def name(self) -> str:
        """Its name."""
        return self.node.name

    @property
    def says_more(self) -> bool:
        """Whether it has members besides the place of a gate: what is merged over the woven class."""
        return any(each is not self.anchor and not isinstance(each, ast.Pass) for each in self.node.body)


@dataclass(frozen=True)
class Declaration:
    """A short delta."""

    module: Module
    alias: str  # what it calls the base: "base"
    base: str  # the module of the base
    folder: str  # of the base, below transformers.models
    model: str  # of the base: that of modeling_<model>.py
    imports: tuple[ast.stmt, ...]  # those of other modules
    classes: tuple[Declared, ...]
    others: tuple[ast.stmt, ...]  # functions, constants, __all__

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

    def refuse(self, node: ast.AST | None, code: str, message: str, fix: str) -> ConversionError:
        """The exception to raise for a problem at a place of the delta."""
        return self.module.refuse(node, code, message, fix)


def is_short(delta: bytes) -> bool:
    """Whether a modular file is a short delta: it imports a kind of gate."""
    return _SHORT.search(delta) is not None


def gate_of(module: Module) -> tuple[ast.ImportFrom, str]:
    """The import of a short delta's kind of gate, and the kind. Raises ConversionError (`several-gates`)."""
    found = [node for node in module.tree.body if isinstance(node, ast.ImportFrom) and _kind(node)]
    kinds = {_kind(node) for node in found}
    if len(kinds) > 1:
        message = f"this delta imports gates of {len(kinds)} kinds: {', '.join(sorted(map(str, kinds)))}"
        raise module.refuse(found[1], "several-gates", message, "declare one kind of gate in a delta")
    if not found:
        raise module.refuse(None, "no-gate", "this delta imports no kind of gate", "import one from gates.<kind>")
    return found[0], str(_kind(found[0]))


def _kind(node: ast.ImportFrom) -> str | None:
    parts = (node.module or "").split(".")
    return parts[1] if not node.level and len(parts) > 1 and parts[0] == PACKAGE else None


def read_declaration(source: Source, kind: Kind) -> Declaration:
    """Read a short delta. Raises ConversionError at the line of what cannot be meant."""
    module = read_module(source)
    alias, base, statement = _base(module)
    match = _BASE.fullmatch(base)
    if match is None:
        message = f"`{base}` is no modeling file of a model of transformers"
        fix = "write `from transformers.models.<model> import modeling_<model> as base`"
        raise module.refuse(statement, "no-base", message, fix)
    ours = {node for node in module.tree.body if isinstance(node, ast.ImportFrom) and _kind(node)} | {statement}
    words = _words(module, kind)
    classes = [_declared(module, node, alias, words) for node in module.tree.body if isinstance(node, ast.ClassDef)]
    imports = [node for node in module.tree.body if isinstance(node, ast.Import | ast.ImportFrom) and node not in ours]
    taken = {*ours, *imports, *(each.node for each in classes)}
    others = [node for node in module.tree.body if node not in taken and not _is_docstring(node)]
    return Declaration(
        module, alias, base, match["folder"], match["name"], tuple(imports), tuple(classes), tuple(others)
    )


def _base(module: Module) -> tuple[str, str, ast.stmt]:
    """What the delta calls its base, the base's module, and the import that says so."""
    for node in module.tree.body:
        if (
            isinstance(node, ast.ImportFrom)
            and not node.level
            and (node.module or "").startswith("transformers.models.")
        ):
            for name in node.names:
                if name.name.startswith("modeling_"):
                    return name.asname or name.name, f"{node.module}.{name.name}", node
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.asname and ".modeling_" in name.name:
                    return name.asname, name.name, node
    fix = "write `from transformers.models.<model> import modeling_<model> as base`"
    raise module.refuse(None, "no-base", "this delta does not say which base it gates", fix)


def _words(module: Module, kind: Kind) -> dict[str, str]:
    """What the delta calls the words of its kind of gate."""
    found: dict[str, str] = {}
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == f"{PACKAGE}.{kind.name}":
            for alias in node.names:
                if alias.name not in kind.words:
                    close = nearest(alias.name, kind.words)
                    fix = f"did you mean `{close}`?" if close else f"it declares {', '.join(kind.words)}"
                    message = f"{PACKAGE}.{kind.name} has no `{alias.name}`"
                    raise module.refuse(node, "unknown-word", message, fix)
                found[alias.asname or alias.name] = kind.words[alias.name]
    return found


def _declared(module: Module, node: ast.ClassDef, alias: str, words: Mapping[str, str]) -> Declared:
    parents = [each.attr for each in node.bases if _is_of(each, alias)]
    found = [
        (each, each.value)
        for each in node.body
        if isinstance(each, ast.Assign)
        and isinstance(each.value, ast.Call)
        and isinstance(each.value.func, ast.Name)
        and each.value.func.id in words
    ]
    if len(found) > 1:
        message = f"{node.name} declares {len(found)} places"
        raise module.refuse(found[1][0], "several-gates", message, "declare one place in a class")
    statement, call = found[0] if found else (None, None)
    place = _place(module, call, _FORMS[words[call.func.id]]) if call else None
    return Declared(node, parents[0] if parents else None, place, statement)


def _is_of(node: ast.expr, alias: str) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == alias


def _place(module: Module, call: ast.Call, form: type[Place] | type[Scaled]) -> Place | Scaled:
    """The value of `QualityGate(reads=..., scales=...)`."""
    known = [each.name for each in fields(form)]
    said = dict(zip(known, call.args)) | {str(each.arg): each.value for each in call.keywords}
    for name, value in said.items():
        if name not in known or len(call.args) > len(known):
            close = nearest(name, known)
            fix = f"did you mean `{close}`?" if close else f"the words are {', '.join(known)}"
            raise module.refuse(value, "unknown-word", f"a place has no `{name}`", fix)
        if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
            message = f"`{name}` is not a string"
            raise module.refuse(value, "bad-anchor", message, 'quote the base\'s expression: "self.mlp"')
    try:
        return form(**{name: value.value for name, value in said.items()})
    except TypeError as error:
        missing = str(error).partition("argument")[2].strip(": ")
        raise module.refuse(call, "bad-anchor", f"this place does not say {missing}", "say it") from None


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def mentions(declaration: Declaration) -> Iterator[tuple[ast.Attribute, str]]:
    """Every `base.Name` of a delta, with the name."""
    for node in ast.walk(declaration.module.tree):
        if isinstance(node, ast.Attribute) and _is_of(node, declaration.alias):
            yield node, node.attr
