"""The pipeline: a short delta -> the modular file that it stands for. Text to text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from diagnostics.errors import ConversionError
from diagnostics.names import nearest
from syntax.queries import names_in
from syntax.source import Source
from syntax.trees import tree_of

from converter.names import Casing
from converter.values import Loader
from weave.base import Base, load_base
from weave.checks import check_declaration
from weave.declaration import Declaration, gate_of, read_declaration, read_delta
from weave.form import Form, in_form
from weave.form_filter import without
from weave.imports import import_block
from weave.kind_checks import said
from weave.kinds import GateKind, read_kind
from weave.layers import Layer, gated_layers
from weave.names import names_of
from weave.notes import noted
from weave.overrides import Overrides
from weave.stack import Stack, is_head, read_stack, with_heads
from weave.values import Values


_COPYRIGHT = re.compile(r"\A# Copyright \d{4} [^\n]*")


@dataclass(frozen=True)
class Woven:
    """A modular file, and what was found on the way."""

    source: Source
    layers: tuple[Layer, ...]
    ungated: tuple[str, ...]  # the base's classes of layers without a gate, and without one inside that has one
    # the base's methods that the short delta has its own of: "LlamaMLP.forward"
    restated: frozenset[str] = frozenset()


def weave(
    delta: Source,
    gated_name: str,
    load: Loader,
    casing: Mapping[str, str],
    form: Form = Form.HOME,
    copyright: str | None = None,
    text_checkpoint: str = "",
    kinds: Iterable[str] = (),
) -> Woven:
    """Write out a short delta: the modular file that the converter expands. Opens no file.

    Args:
        delta: the short delta.
        gated_name: the name of the model in snake case, "quality_gate_mistral".
        load: finds modules as text: those of the base, and of the kind of gate.
        casing: model name -> CamelCase, as the release has it.
        form: what it is written for. In the upstream form `load` finds the bases of the repository that it is for.
        copyright: whose it is, in the first line of the licence; without one, as the delta says.
        text_checkpoint: of the language model, for examples, where its configuration names another.
        kinds: the names of all kinds of gate, to suggest the nearest of.

    Raises:
        ConversionError: with the line of the delta, or of the base, that the weave cannot follow.
    """
    kind = _kind(delta, load, form, kinds)
    delta = _in_form(delta, gated_name, kind)
    declaration = read_declaration(delta, kind)
    if form is Form.UPSTREAM:
        _check_imports(declaration)
    table = Casing(casing)
    try:
        base = load_base(declaration.model, declaration.folder, gated_name, kind, load, table)
    except LookupError as missing:
        raise _unknown_base(declaration, str(missing), table, load) from None
    if form is Form.HOME:
        _check_home(kind, table, load)
    check_declaration(declaration, base)
    stack = _declared_heads(base, read_stack(base), declaration)
    overrides = Overrides(declaration, base, names_of(base, stack))
    layers = gated_layers(base, stack, declaration)
    body = overrides.merge(Values(base, stack, layers, declaration, overrides.configs, text_checkpoint).rendered())
    tree = tree_of(body)
    imports = import_block(tree, base, overrides.imports)
    if form is Form.UPSTREAM:
        body = noted(body, tree)
    header = overrides.header if copyright is None else _COPYRIGHT.sub(f"# Copyright {copyright}", overrides.header)
    text = "\n".join([header, overrides.docstring, "", imports, "", "", body.lstrip("\n")])
    gated = {each.parent for each in layers}
    ungated = tuple(each.name for each in stack.layers if each.name not in gated and not names_in(each) & gated)
    return Woven(replace(delta, text=text), layers, ungated, frozenset(declaration.restated))


def _declared_heads(base: Base, stack: Stack, declaration: Declaration) -> Stack:
    """The stack with the models around the language model that the delta has classes for."""
    return with_heads(
        base, stack, [name for each in declaration.classes if is_head(base, stack, name := each.parent or "")]
    )


def _in_form(delta: Source, gated_name: str, kind: GateKind) -> Source:
    """A delta as it is in the form of a kind: without what is of the other one alone, its package named as there."""
    delta = in_form(delta, kind.form)
    if kind.form is Form.HOME:
        return delta
    text = without(delta.text, kind.gate.upstream.without)
    return replace(delta, text=text.replace(f">>> from generated.{gated_name} import", ">>> from transformers import"))


def _check_imports(declaration: Declaration) -> None:
    """Refuse an import that a file within transformers cannot have."""
    for node in declaration.imports:
        names = node.names if isinstance(node, ast.Import) else ()
        if any(each.name.split(".")[0] == "transformers" for each in names):
            message = f"`{ast.unparse(node)}` has no relative form, which a file within transformers needs"
            fix = "import names from the module: `from transformers.x import y`"
            raise declaration.refuse(node, "absolute-import", message, fix)


def _kind(delta: Source, load: Loader, form: Form, kinds: Iterable[str]) -> GateKind:
    statement, name = gate_of(read_delta(delta))
    try:
        return read_kind(name, load, kinds, form=form)
    except LookupError as missing:
        close = str(missing)
        fix = f"did you mean `gates.{close}`?" if close else f"correct the name, or write modular/gates/{name}/"
        raise delta.refuse(
            statement.lineno, 1, "unknown-gate", f"there is no kind of gate called {name!r}", fix
        ) from None


def _check_home(kind: GateKind, casing: Casing, load: Loader) -> None:
    """Refuse a kind whose definitions no model of this transformers could hold, as far as that tells its models."""
    home, known = kind.gate.home, [name.replace("-", "_") for name in casing.models]
    if not known or home in known or load(f"transformers.models.{home}.modeling_{home}") is not None:
        return
    close = nearest(home, known)
    fix = f"did you mean `{close}`?" if close else "name the base whose gated model holds the definitions"
    message = f"`home` is {home!r}, and no model of this transformers is called so"
    raise kind.declaration.refuse(said(kind.declaration, "home"), "bad-gate", message, fix)


def _unknown_base(declaration: Declaration, module: str, casing: Casing, load: Loader) -> ConversionError:
    folder, usual = declaration.folder, f"modeling_{declaration.folder}"
    if declaration.model != folder and load(f"transformers.models.{folder}.{usual}") is not None:
        fix = f"did you mean `{usual}`?"
    else:
        close = nearest(folder, (name.replace("-", "_") for name in casing.models))
        fix = f"did you mean `{close}`?" if close else "name a model that this transformers has"
    return declaration.refuse(declaration.names_base, "unknown-base", f"this transformers has no {module}", fix)
