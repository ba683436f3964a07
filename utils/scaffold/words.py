"""Where every name that a delta uses is imported from, and the text of those imports."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable, Mapping

from scaffold.find import Base


ROOT = "generated.quality_gate_llama"
_ROOT_MODELING = f"{ROOT}.modeling_quality_gate_llama"
# What deltas use of other modules than their base's. None: the module itself is imported.
KNOWN: Mapping[str, tuple[str, str | None]] = {
    "torch": ("torch", None),
    "nn": ("torch", "nn"),
    "dataclass": ("dataclasses", "dataclass"),
    "strict": ("huggingface_hub.dataclasses", "strict"),
    "init": ("transformers", "initialization"),
    "PreTrainedConfig": ("transformers.configuration_utils", "PreTrainedConfig"),
    "PreTrainedModel": ("transformers.modeling_utils", "PreTrainedModel"),
    "AutoModel": ("transformers.models.auto", "AutoModel"),
    "Unpack": ("transformers.processing_utils", "Unpack"),
    "TransformersKwargs": ("transformers.utils", "TransformersKwargs"),
    "auto_docstring": ("transformers.utils", "auto_docstring"),
    "merge_with_config_defaults": ("transformers.utils.generic", "merge_with_config_defaults"),
    "OutputRecorder": ("transformers.utils.output_capturing", "OutputRecorder"),
    "capture_outputs": ("transformers.utils.output_capturing", "capture_outputs"),
    "WeightRenaming": ("transformers.core_model_loading", "WeightRenaming"),
    "get_checkpoint_conversion_mapping": (
        "transformers.conversion_mapping",
        "get_checkpoint_conversion_mapping",
    ),
    "register_checkpoint_conversion_mapping": (
        "transformers.conversion_mapping",
        "register_checkpoint_conversion_mapping",
    ),
    "GenericForSequenceClassification": ("transformers.modeling_layers", "GenericForSequenceClassification"),
    "GenericForTokenClassification": ("transformers.modeling_layers", "GenericForTokenClassification"),
    "GenericForQuestionAnswering": ("transformers.modeling_layers", "GenericForQuestionAnswering"),
    "balances_whole_sequences": (
        "generated.quality_gate_gpt_oss.modeling_quality_gate_gpt_oss",
        "balances_whole_sequences",
    ),
    **{
        name: (f"{ROOT}.configuration_quality_gate_llama", name)
        for name in ("QUALITY_GATE_CHOICES", "QUALITY_GATE_RANGES", "check_quality_gate_config")
    },
    **{
        name: (_ROOT_MODELING, name)
        for name in (
            "load_quality_gates",
            "quality_classification_loss",
            "quality_layers",
            "records_quality_scores",
            "returns_quality_scores",
            "save_quality_gates",
        )
    },
}
_WIDTH = 119
_OURS = ("generated", "transformers")


def import_block(body: str, base: Base) -> str:
    """The import statements that a delta's body needs, sorted and wrapped as ruff does."""
    tree = ast.parse(body)
    used = (_used(tree) | _exported(tree)) - _bound(tree) - set(dir(builtins))
    found = {name: origin for name in sorted(used) if (origin := _origin(name, base))}
    return _render(found)


def _origin(name: str, base: Base) -> tuple[str, str | None] | None:
    if name.startswith("QualityGateLlama"):
        return _ROOT_MODELING, name
    if name in KNOWN:
        return KNOWN[name]
    for module in (base.modeling, base.configuration):
        if name in module.definitions:
            return module.source.module, name
        if name in module.imports:
            return module.imports[name]
    return None


def _used(tree: ast.Module) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _exported(tree: ast.Module) -> set[str]:
    listed = tree.body[-1].value if isinstance(tree.body[-1], ast.Assign) else None
    return {each.value for each in getattr(listed, "elts", ()) if isinstance(each, ast.Constant)}


def _bound(tree: ast.Module) -> set[str]:
    """The names that are defined at module level, and the variables and parameters of functions."""
    top = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    top |= {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets}
    return top | _locals(tree)


def _locals(tree: ast.Module) -> set[str]:
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    taken = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return (stored | taken) - set(KNOWN)


def _render(found: Mapping[str, tuple[str, str | None]]) -> str:
    sections: dict[int, list[str]] = {}
    modules: dict[str, list[str]] = {}
    for name, (module, original) in found.items():
        if original is None:
            sections.setdefault(_section(module), []).append(_plain(name, module))
        else:
            modules.setdefault(module, []).append(original if original == name else f"{original} as {name}")
    for module in sorted(modules, key=lambda one: (one.split(".")[0], one)):
        sections.setdefault(_section(module), []).append(_from(module, modules[module]))
    blocks = ["\n".join(sorted(sections[key], key=lambda line: line.startswith("from"))) for key in sorted(sections)]
    return "\n\n".join(blocks)


def _plain(name: str, module: str) -> str:
    return f"import {module}" if name == module.split(".")[0] else f"import {module} as {name}"


def _from(module: str, names: Iterable[str]) -> str:
    names = sorted(names, key=_order)
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])


def _order(name: str) -> tuple[int, str]:
    """Constants, classes, functions; each by name."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, name


def _section(module: str) -> int:
    top = module.split(".")[0]
    return 0 if top in sys.stdlib_module_names else 2 if top in _OURS else 1
