"""The pipeline: the name of a base -> the text of its delta."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rendering.render import render

from converter.diagnostics import ConversionError, Diagnostic
from converter.style import style
from converter.workspace import PROJECT, find_transformers
from scaffold.closure import circular, other_configs, reached
from scaffold.configs import Config, read_config
from scaffold.find import Base, find_base
from scaffold.heads import EXAMPLE, Part, container_text, head_part, model_part
from scaffold.layers import Layer, gated_layers
from scaffold.limits import check_imports
from scaffold.mappings import gate_restored, mapped_names
from scaffold.modules import Module, names_in
from scaffold.outputs import gated_prefix, needs_mixin, output_classes
from scaffold.plumbing import rename_members
from scaffold.stack import Stack, read_stack
from scaffold.words import import_block


_STYLE = PROJECT / "pyproject.toml"
TEMPLATE = "modular_quality_gate.py.j2"


@dataclass(frozen=True)
class Scaffold:
    """A delta and what was found on the way."""

    name: str
    text: str
    places: tuple[str, ...]  # "file:line" of the statements of the base that gates stand before
    layers: tuple[str, ...]  # the classes of layers with a gate
    ungated: tuple[str, ...]  # those without, and without a layer inside that has one


def scaffold(name: str, package: Path | None = None) -> Scaffold:
    """Write the delta that gates a base of transformers ("mistral"). Reads its modules as text; writes no file.

    `package` is the folder of a transformers; without one, of the installed one.

    Raises:
        ConversionError: the base cannot be gated from its text alone. The diagnostic has the reason and the line.
    """
    base = find_base(name, package or find_transformers())
    stack = read_stack(base)
    values = read_values(base, stack)
    body = render(TEMPLATE, imports="", **values)
    text = render(TEMPLATE, imports=import_block(body, base), **values)
    layers: tuple[Layer, ...] = values["layers"]
    gated = tuple(layer.parent for layer in layers)
    ungated = tuple(each.name for each in stack.layers if each.name not in gated and not names_in(each) & set(gated))
    places = tuple(place for layer in layers for place in layer.places)
    return Scaffold(name, _styled(name, text), places, gated, ungated)


def read_values(base: Base, stack: Stack) -> dict[str, object]:
    """What the template says of a base."""
    names, prefix = base.gated_names, gated_prefix(base, stack)
    outputs = output_classes(base, stack)
    layers = gated_layers(base, stack, names)
    config = read_config(base, stack.config)
    model = model_part(base, stack, outputs[stack.output].name)
    heads = tuple(head_part(base, stack, head, outputs[head.output].name) for head in stack.heads)
    recorded, owner = _recorded(base, stack, names)
    pretrained = _pretrained(base, stack)
    defined = {*(layer.name for layer in layers), *(part.name for part in (model, *heads)), pretrained["name"]}
    defined |= {layer.adder[0] for layer in layers if layer.adder}
    defined |= {output.name for output in outputs.values()}
    members = names | _renamed_methods(base, stack.model)
    texts = [*recorded.values(), *(layer.forward for layer in layers), model.text, *(head.text for head in heads)]
    inside = rename_members(container_text(base, stack), names)
    texts += [inside, *(head.members for head in heads)]
    defined |= {base.gated(stack.container.name)} if inside else set()
    roots = [stack.model.name, *(head.node.name for head in stack.heads), *(layer.parent for layer in layers)]
    known = [*roots, stack.pretrained.name, *(output.parent for output in outputs.values())]
    stubs = _stubs(base, texts, names, defined)
    models = [parent for _, parent in stubs if is_model(base.modeling, parent)]
    later = [*circular(base, stack.pretrained.name, [*known, *models]), *models]
    check_imports(base.modeling, reached(base.modeling, [*known, *later]))
    configs = [each for each in other_configs(base, [*known, *later], config.name) if each in names]
    inner = reached(base.configuration, [config.name])
    mappings = _mappings(base.package, config, (model, *heads))
    model, heads = _renamed(model, members), tuple(_renamed(head, names) for head in heads)
    return {
        "name": base.name,
        "prefix": prefix,
        "gate": f"{prefix}{'ScoreGate' if f'{stack.prefix}Gate' in base.modeling.classes else 'Gate'}",
        "mixin": f"{prefix}{'GateOutput' if f'{stack.prefix}Output' in base.modeling.classes else 'Output'}",
        "gated_config": base.gated(config.name),
        "config": config,
        "outputs": tuple(outputs.values()),
        "needs_mixin": needs_mixin(tuple(outputs.values())),
        "stubs": [(name, parent) for name, parent in stubs if parent not in later],
        "later_stubs": [(names[name], name) for name in later if name in names],
        "earlier_configs": [(names[name], name) for name in configs if name in inner],
        "other_configs": [(names[name], name) for name in configs if name not in inner],
        "layers": layers,
        "pretrained": pretrained,
        "recorded": recorded,
        "records_in_model": owner is stack.model,
        "shares_classes": bool(configs),
        "container": (base.gated(stack.container.name), stack.container.name) if inside else None,
        "container_text": inside,
        "model": model,
        "whole": base.gated(stack.whole),
        "heads": heads,
        "example": EXAMPLE,
        "mappings": mappings,
        "mapping_pairs": f"({', '.join(map(str, mappings))},)",
        "restored": sorted({pair for _, theirs in mappings for pair in gate_restored(base.package, theirs)}),
    }


def _recorded(base: Base, stack: Stack, names: Mapping[str, str]) -> tuple[dict[str, str], ast.ClassDef | None]:
    """The base's `_can_record_outputs`, its classes renamed, and the class that has it."""
    module = base.modeling
    for owner in (stack.model, stack.pretrained):
        value = module.attribute(owner, "_can_record_outputs")
        if isinstance(value, ast.Dict):
            entries = {ast.unparse(key): ast.unparse(each) for key, each in zip(value.keys, value.values)}
            return {key: _rename_words(text, names) for key, text in entries.items()}, owner
    return {}, None


def _pretrained(base: Base, stack: Stack) -> dict[str, object]:
    module, node = base.modeling, stack.pretrained
    kept = {
        name: [*ast.literal_eval(value), gate] if value else [gate]
        for name, gate in (
            ("_keep_in_fp32_modules", "quality_gate.gate"),
            ("_keep_in_fp32_modules_strict", "quality_gate"),
        )
        for value in [module.attribute(node, name)]
    }
    return {
        "name": base.gated(node.name),
        "parent": node.name,
        "initializes": module.own_method(node, "_init_weights") is not None,
        "kept": kept["_keep_in_fp32_modules"],
        "kept_strictly": kept["_keep_in_fp32_modules_strict"],
        "prefix": _kept_prefix(base, node),
        "initializes_models": _initializes_models(base, node),
        "explains": not module.attribute(node, "_keep_in_fp32_modules"),
    }


def _initializes_models(base: Base, node: ast.ClassDef) -> bool:
    """Whether `_init_weights` does something for models, which have no weights of their own."""
    module = base.modeling
    initialize = module.own_method(node, "_init_weights")
    named = [module.classes[name] for name in names_in(initialize) & set(module.classes)] if initialize else []
    return any(node in module.lineage(each)[1:] for each in named)


def _kept_prefix(base: Base, node: ast.ClassDef) -> str | None:
    """`base_model_prefix`, where the converter would rename it and so lose the weights of checkpoints."""
    prefix = base.modeling.attribute(node, "base_model_prefix")
    value = prefix.value if isinstance(prefix, ast.Constant) else None
    return value if value and base.renaming.word(value) != value else None


def _stubs(base: Base, texts: list[str], names: Mapping[str, str], defined: set[str]) -> list[tuple[str, str]]:
    """The classes of the base that the delta names and does not define otherwise: (gated name, base's name)."""
    old = {new: name for name, new in names.items() if name in base.modeling.classes}
    words = {word for text in texts for word in re.findall(r"\w+", text)}
    used = words | {names[word] for word in words & set(base.modeling.classes) & set(names)}
    order = {name: place for place, name in enumerate(base.modeling.classes)}
    found = sorted((name for name in used & set(old) if name not in defined), key=lambda name: order[old[name]])
    return [(name, old[name]) for name in found]


def is_model(module: Module, name: str) -> bool:
    """Whether a class of a base derives from its PreTrainedModel, and so has to stand behind it."""
    ancestors = module.lineage(module.classes[name])[1:]
    return any(each.name.endswith("PreTrainedModel") for each in ancestors)


def _renamed_methods(base: Base, node: ast.ClassDef) -> dict[str, str]:
    """The methods of a class that the converter renames, since they are named after the model."""
    own = [each.name for each in node.body if isinstance(each, ast.FunctionDef)]
    return {name: new for name in own if (new := base.renaming.word(name)) != name}


def _renamed(part: Part, names: Mapping[str, str]) -> Part:
    fields = {field: getattr(part, field) for field in part.__dataclass_fields__}
    return Part(**fields | {key: rename_members(fields[key], names) for key in ("text", "members")})


def _rename_words(text: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\w+", lambda word: names.get(word[0], word[0]), text)


def _mappings(package: Path, config: Config, parts: tuple[Part, ...]) -> list[tuple[str, str]]:
    """The gated names that need the checkpoint conversions of the base, each with the base's name."""
    known = mapped_names(package)
    names = [(f"quality_gate_{config.model_type}", config.model_type), *((part.name, part.parent) for part in parts)]
    return [(ours, theirs) for ours, theirs in names if theirs in known]


def _styled(name: str, text: str) -> str:
    """The text as ruff formats it. Raises ConversionError (`invalid-output`) where it is no Python."""
    path = f"modular/modular_quality_gate_{name}.py"
    styled = style({path: text}, _STYLE)
    if path not in styled.texts:
        raise ConversionError(Diagnostic("invalid-output", path, 1, 1, "the delta is no Python", "report this fault"))
    return styled.texts[path]
