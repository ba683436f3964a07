"""The text of generated files -> ModelFacts. Imports neither transformers nor torch."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from naming.kinds import MEANT, kind_of
from syntax.modules import Module, module_of
from syntax.queries import annotated, last_name, string, strings

from facts.abilities import abilities, cache_name
from facts.layers import gate_class, layer_classes
from facts.text import ABSTRACT, abstract, annotation, arguments, attribute, lineage
from facts.values import ConfigFacts, FieldFacts, ModelClass, ModelFacts


PREFIX = MEANT.family


def package_files(folder: Path) -> dict[str, str]:
    """The texts of a package's Python files by name, sorted."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}


def read_facts(name: str, files: Mapping[str, str], homes: Iterable[Path] = ()) -> ModelFacts:
    """Facts of one generated package.

    Args:
        name: the package's name, "quality_gate_llama"; the base's folder in transformers, "llama", means the same.
        files: the texts of its configuration and modeling file by name; others are ignored.
        homes: folders of generated models, in whose projects its kind of gate is looked for first.

    Raises:
        LookupError: a file, its models or its layers are missing: it names what.
        SyntaxError: a file is no Python.
    """
    names = kind_of(name, homes)
    name = name.removeprefix(names.family)
    package = names.family + name
    configuration = module_of(_file(files, f"configuration_{package}.py"))
    modeling = module_of(_file(files, f"modeling_{package}.py"))
    configs = _configs(configuration)
    models = _models(modeling, package)
    layers = layer_classes(modeling, names.attribute)
    text_model = _text_model(models, modeling, configs, package)
    text_config = configs[text_model.config]
    return ModelFacts(
        name=name,
        package=package,
        prefix=_prefix(modeling),
        base_prefix=_prefix(modeling).removeprefix(names.prefix),
        configs=configs,
        text_config=text_config,
        models=models,
        text_model=text_model,
        causal_lm=next((each for each in models if each.role == "ForCausalLM"), None),
        layers=layers,
        gate=gate_class(modeling, names.attribute),
        cache=cache_name(modeling, models, text_model),
        abilities=abilities(modeling, configs, text_config, models, text_model),
        names=names,
    )


def _file(files: Mapping[str, str], name: str) -> str:
    if name not in files:
        raise LookupError(f"there is no {name} among {', '.join(sorted(files)) or 'no files'}")
    return files[name]


def _prefix(modeling: Module) -> str:
    """What the names of the models begin with, said by the abstract one: "QualityGateLlama"."""
    return abstract(modeling).removesuffix(ABSTRACT)


def _configs(configuration: Module) -> dict[str, ConfigFacts]:
    return {name: _config(configuration, name) for name in configuration.exported if name.endswith("Config")}


def _config(module: Module, name: str) -> ConfigFacts:
    fields: dict[str, FieldFacts] = {}
    for each in reversed(lineage(module, name)):
        for field, statement in annotated(each).items():
            default = "" if statement.value is None else ast.unparse(statement.value)
            fields[field] = FieldFacts(ast.unparse(statement.annotation), default)
    model_type = string(attribute(module, name, "model_type")) or ""
    sub_configs = strings(attribute(module, name, "sub_configs_defaults") or attribute(module, name, "sub_configs"))
    plans = {
        f"{kind}_plan": strings(attribute(module, name, f"base_model_{kind}_plan")) for kind in ("tp", "pp", "ep")
    }
    return ConfigFacts(name, model_type, fields, sub_configs, **plans)


def _models(modeling: Module, package: str) -> tuple[ModelClass, ...]:
    names = [name for name in modeling.exported if name in modeling.classes and not name.endswith(ABSTRACT)]
    models = tuple(_model(modeling, name) for name in names if _role(name))
    if not models:
        raise LookupError(f"modeling_{package}.py exports no model: {', '.join(modeling.exported) or 'nothing'}")
    return models


def _model(modeling: Module, name: str) -> ModelClass:
    config = annotation(modeling, name, "config") or last_name(attribute(modeling, name, "config_class"))
    tied = strings(attribute(modeling, name, "_tied_weights_keys"))
    return ModelClass(name, _role(name), config, tied, arguments(modeling, name, "forward"))


def _role(name: str) -> str:
    """ "QualityGateLlamaForCausalLM" -> "ForCausalLM", "QualityGateLlamaModel" -> "Model", of others ""."""
    task = re.search(r".*(For[A-Z]\w*)$", name)  # a capital follows: RoFormer is for nothing
    return task[1] if task else "Model" if name.endswith(("Model", "Decoder")) else ""


def _text_model(
    models: tuple[ModelClass, ...], modeling: Module, configs: Mapping[str, ConfigFacts], package: str
) -> ModelClass:
    """The base model that holds the decoder layers: the one whose configuration holds no other, where there is one."""
    bases = [each for each in models if each.role == "Model" and each.config in configs]
    plain = [each for each in bases if not configs[each.config].is_composite] or bases
    if not plain:
        raise LookupError(f"modeling_{package}.py exports no base model that configuration_{package}.py configures")
    return plain[-1]
