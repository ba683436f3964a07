"""Where every name that a woven delta uses comes from, as import statements; sorting them is ruff's."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable, Mapping
from itertools import groupby

from syntax.queries import bound_names, exported, names_in
from syntax.trees import statements_of

from weave.base import Base
from weave.form import Form


# What woven deltas use of transformers besides what their base and their gate import. None: the module itself.
_COMMON: Mapping[str, tuple[str, str | None]] = {
    "dataclass": ("dataclasses", "dataclass"),
    "strict": ("huggingface_hub.dataclasses", "strict"),
    "torch": ("torch", None),
    "nn": ("torch", "nn"),
    "init": ("transformers", "initialization"),
    "AutoModel": ("transformers.models.auto", "AutoModel"),
    "GenericForQuestionAnswering": ("transformers.modeling_layers", "GenericForQuestionAnswering"),
    "GenericForSequenceClassification": ("transformers.modeling_layers", "GenericForSequenceClassification"),
    "GenericForTokenClassification": ("transformers.modeling_layers", "GenericForTokenClassification"),
    "QuestionAnsweringModelOutput": ("transformers.modeling_outputs", "QuestionAnsweringModelOutput"),
    "SequenceClassifierOutputWithPast": ("transformers.modeling_outputs", "SequenceClassifierOutputWithPast"),
    "TokenClassifierOutput": ("transformers.modeling_outputs", "TokenClassifierOutput"),
    "OutputRecorder": ("transformers.utils.output_capturing", "OutputRecorder"),
    "PreTrainedConfig": ("transformers.configuration_utils", "PreTrainedConfig"),
    "PreTrainedModel": ("transformers.modeling_utils", "PreTrainedModel"),
    "TransformersKwargs": ("transformers.utils", "TransformersKwargs"),
    "Unpack": ("transformers.processing_utils", "Unpack"),
    "WeightRenaming": ("transformers.core_model_loading", "WeightRenaming"),
    "auto_docstring": ("transformers.utils", "auto_docstring"),
    "can_return_tuple": ("transformers.utils", "can_return_tuple"),
    "capture_outputs": ("transformers.utils.output_capturing", "capture_outputs"),
    "get_checkpoint_conversion_mapping": ("transformers.conversion_mapping", "get_checkpoint_conversion_mapping"),
    "merge_with_config_defaults": ("transformers.utils.generic", "merge_with_config_defaults"),
    "register_checkpoint_conversion_mapping": (
        "transformers.conversion_mapping",
        "register_checkpoint_conversion_mapping",
    ),
}
_OURS = ("generated", "transformers")
Origins = Mapping[str, tuple[str, str | None]]


def import_block(tree: ast.Module, base: Base, own: str = "") -> str:
    """The import statements that a woven delta's body needs, one for each name.

    `own` are those of the short delta, as text: what they import, no other statement does.
    """
    home = _home(base)
    bound = _bound(tree, {*_COMMON, *home}) | {name for node in statements_of(own) for name in bound_names(node)}
    used = (names_in(tree) | set(exported(tree))) - bound - set(dir(builtins))
    found = {name: origin for name in sorted(used) if (origin := _origin(name, base, home))}
    lines = [*(_statement(name, module, original) for name, (module, original) in found.items()), *own.split("\n")]
    ranked = sorted(filter(None, lines), key=_rank)
    if base.kind.form is Form.UPSTREAM:
        return "\n".join(_relative(line, base.gated_name) for line in ranked)
    return "\n\n".join("\n".join(section) for _, section in groupby(ranked, key=lambda line: _rank(line)[0]))


def _relative(line: str, package: str) -> str:
    """An import statement as a file in the folder of a model has it."""
    keyword, module, *rest = line.split(" ")
    if keyword != "from" or module.split(".")[0] not in _OURS:
        return line
    return " ".join([keyword, relative_module(module, package), *rest])


def relative_module(module: str, package: str) -> str:
    """How a module is named from the folder of a model of transformers.

    transformers                        -> ...
    transformers.utils                  -> ...utils
    transformers.models.llama.m         -> ..llama.m
    generated.quality_gate_llama.m      -> ..quality_gate_llama.m
    """
    top, *rest = module.split(".")
    if top == "generated":
        rest = ["models", *rest]
    if rest[:2] == ["models", package]:
        return "." + ".".join(rest[2:])
    if rest[:1] == ["models"] and len(rest) > 1:
        return ".." + ".".join(rest[1:])
    return "..." + ".".join(rest)


def _rank(line: str) -> tuple[int, bool, str]:
    """The order of ruff: of several modules that have something, the converter takes it from the first."""
    module = line.split()[1]
    top = module.split(".")[0]
    section = 0 if top in sys.stdlib_module_names else 2 if top in _OURS else 1
    return section, line.startswith("from"), module


def _origin(name: str, base: Base, home: Origins) -> tuple[str, str | None] | None:
    for known in (home, _COMMON):
        if name in known:
            return known[name]
    for module in (base.modeling, base.configuration):
        if name in module.definitions:
            return module.source.module, name
        if name in module.imports:
            return module.imports[name]
    return base.kind.imports.get(name) or (base.generic.imports.get(name) if base.generic else None)


def _home(base: Base) -> dict[str, tuple[str, str | None]]:
    """The definitions of the gate, by the names they have in the model that holds them."""
    kind = base.kind
    package = f"{kind.family}{kind.gate.home}"
    if package == base.gated_name:
        return {}
    prefix = base.casing.of_model(package).camel
    found: dict[str, tuple[str, str | None]] = {}
    for name in kind.definitions:
        file = "configuration" if name in kind.of_configurations else "modeling"
        given = kind.named(name, prefix, f"{prefix}Gate")
        found[given] = (f"generated.{package}.{file}_{package}", given)
    return found


def _bound(tree: ast.Module, known: set[str]) -> set[str]:
    """The names that are defined at module level, and the variables and parameters of functions."""
    top = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    top |= {target.id for node in tree.body if isinstance(node, ast.Assign) for target in _names(node.targets)}
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    taken = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return top | (stored | taken) - known


def _names(targets: Iterable[ast.expr]) -> list[ast.Name]:
    return [each for each in targets if isinstance(each, ast.Name)]


def _statement(name: str, module: str, original: str | None) -> str:
    if original is None:
        return f"import {module}" if name == module.split(".")[0] else f"import {module} as {name}"
    return f"from {module} import {original}" if original == name else f"from {module} import {original} as {name}"
