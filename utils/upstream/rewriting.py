"""A modular file of this project -> the modular file of a transformers repository. Text to text."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Sequence

from facts.values import base_name

from upstream.conventions import document_outputs, note_branches
from upstream.leaving import know_gates, leave_custom_code, leave_files, leave_printing
from upstream.spans import Span, drop, statement_span, substitute
from upstream.values import Model, refuse


HOLDERS = "The Quality Gate team and the HuggingFace Inc. team"
REGISTRATIONS = ("AutoModel._model_mapping.register", "register_checkpoint_conversion_mapping")
INNER = "Transformer"
_COPYRIGHT = re.compile(r"\A# Copyright \d{4} [^\n]*\n")
_EXAMPLE = re.compile(r"(>>> from )generated(?:\.\w+)*( import )")
Rewrite = Callable[[str, Model], str]


def rewrite(model: Model, year: int) -> str:
    """The modular file as upstream keeps it, not yet formatted: what its imports leave unused is ruff's to remove.

    Raises ConversionError (`absolute-import`) where the delta imports transformers in a form that has no relative one.
    """
    text = _COPYRIGHT.sub(f"# Copyright {year} {HOLDERS}. All rights reserved.\n", model.delta, count=1)
    for step in STEPS:
        text = step(text, model)
    return text


def relative_imports(text: str, model: Model) -> str:
    """`from transformers.utils import x` -> `from ...utils import x`, in statements and nowhere else."""
    lines = text.splitlines(keepends=True)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import) and any(_is_ours(alias.name) for alias in node.names):
            fix = "import names from the module: `from transformers.x import y`"
            message = f"`{ast.unparse(node)}` has no relative form"
            raise refuse("absolute-import", model.path, message, fix, node.lineno)
        if isinstance(node, ast.ImportFrom) and not node.level and node.module and _is_ours(node.module):
            line = lines[node.lineno - 1]
            lines[node.lineno - 1] = line.replace(node.module, relative_module(node.module, model.name), 1)
    return "".join(lines)


def relative_module(module: str, model: str) -> str:
    """How a module is named from a model's own folder.

    transformers                        -> ...
    transformers.utils                  -> ...utils
    transformers.models.llama.m         -> ..llama.m
    generated.quality_gate_llama.m      -> ..quality_gate_llama.m
    """
    top, *rest = module.split(".")
    if top == "generated":
        rest = ["models", *rest]
    if rest[:2] == ["models", model]:
        return "." + ".".join(rest[2:])
    if rest[:1] == ["models"] and len(rest) > 1:
        return ".." + ".".join(rest[1:])
    return "..." + ".".join(rest)


def import_examples(text: str, model: Model) -> str:
    """Examples import from transformers, as a reader of its documentation does."""
    return _EXAMPLE.sub(r"\1transformers\2", text)


def drop_registrations(text: str, model: Model) -> str:
    """What the mappings of a repository say needs no registration at run time, nor an `__init__` to do it in."""
    tree = ast.parse(text)
    spans: list[Span] = []
    for node in _classes(tree):
        for method in (each for each in node.body if isinstance(each, ast.FunctionDef)):
            found = [each for each in method.body if _registers(each)]
            kept = [each for each in method.body if each not in found]
            if found and method.name == "__init__" and _only_checks(kept):
                spans.append(statement_span(text, method))
            else:
                spans += [statement_span(text, each) for each in found]
    return drop(text, spans)


def export_classes(text: str, model: Model) -> str:
    """`__all__` names classes only: helpers of two gated models would hide each other in `transformers`.

    And no network within a model, which no base exports and no table of the repository has.
    """
    defined = [node.name for node in _classes(ast.parse(text)) if not node.name.endswith(INNER)]
    return _export(text, [name for name in exported(text) if name in defined])


def export_configs(text: str) -> str:
    """`__all__` names all configurations: the repository's table has one of each model type, exported or not."""
    listed = exported(text)
    configs = [node.name for node in _classes(ast.parse(text)) if node.name.endswith("Config")]
    return _export(text, [*(name for name in configs if name not in listed), *listed])


def hide_decoders(text: str, base: str) -> str:
    """`__all__` leaves out a decoder that the base hides in its model, whose file is `base`, where that is exported."""
    listed, theirs = exported(text), exported(base)
    decoders = [name for name in listed if name.endswith("Decoder") and base_name(name) not in theirs]
    hidden = [name for name in decoders if name.removesuffix("Decoder") + "Model" in listed]
    return _export(text, [name for name in listed if name not in hidden])


def exported(text: str) -> list[str]:
    """The names in `__all__`."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(each) for each in ast.literal_eval(node.value)]
    return []


def _export(text: str, names: Sequence[str]) -> str:
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            lines = "".join(f'    "{name}",\n' for name in names)
            return substitute(text, Span(node.lineno, node.end_lineno or node.lineno), f"__all__ = [\n{lines}]\n")
    return text


STEPS: Sequence[Rewrite] = (
    relative_imports,
    import_examples,
    drop_registrations,
    leave_files,
    leave_custom_code,
    leave_printing,
    know_gates,
    export_classes,
    document_outputs,
    note_branches,
)


def _is_ours(module: str) -> bool:
    return module.split(".")[0] in ("transformers", "generated")


def _classes(tree: ast.Module) -> Iterable[ast.ClassDef]:
    return (node for node in tree.body if isinstance(node, ast.ClassDef))


def _registers(statement: ast.stmt) -> bool:
    """Whether a statement is about a registration: the call itself, a loop of them, or a branch with nothing else."""
    if isinstance(statement, ast.If) and not statement.orelse:
        rest = [each for each in statement.body if not _registers(each)]
        return len(rest) < len(statement.body) and all(map(_is_check, rest))
    if not isinstance(statement, ast.Expr | ast.For):
        return False
    calls = (ast.unparse(node.func) for node in ast.walk(statement) if isinstance(node, ast.Call))
    return any(call in REGISTRATIONS for call in calls)


def _only_checks(body: Sequence[ast.stmt]) -> bool:
    """Whether an `__init__` does nothing but look at the config, which has looked at itself, and call its base."""
    return all(_is_check(each) or _called(each).endswith(".__init__") or _is_local(each) for each in body)


def _is_check(statement: ast.stmt) -> bool:
    called = _called(statement)
    return called.startswith("check_") and called.endswith("_config")


def _is_local(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and all(isinstance(each, ast.Name) for each in statement.targets)


def _called(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return ast.unparse(statement.value.func)
    return ""
