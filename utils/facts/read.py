"""The text of generated files -> ModelFacts. Imports neither transformers nor torch."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from facts.layers import gate_class, layer_classes
from facts.text import Module, base_name, members, method, read_module, says_true, strings
from facts.values import Abilities, ConfigFacts, FieldFacts, ModelClass, ModelFacts


PREFIX = "quality_gate_"
GATED = "QualityGate"
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts")
EXPERTS_WANTED = ("is_moe",)  # without it there are none
SLIDING = ("sliding_window", "sliding_window_size", "window_size", "attention_chunk_size")
RECURRENT = ("Mamba", "GatedDelta", "LinearAttention", "Lightning", "Recurrent", "ShortConv")  # in names of classes
RECURRENT_FIELDS = ("mamba_d_state", "mamba_n_heads", "mamba_num_heads", "ssm_state_size", "lru_width", "conv_L_cache")


def package_files(folder: Path) -> dict[str, str]:
    """The texts of a package's Python files by name, sorted."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}


def read_facts(name: str, files: Mapping[str, str]) -> ModelFacts:
    """Facts of one generated package.

    Args:
        name: the base's folder in transformers, "llama"; the package's name, "quality_gate_llama", means the same.
        files: the texts of its configuration and modeling file by name; others are ignored.

    Raises:
        LookupError: a file, its models or its layers are missing: it names what.
        SyntaxError: a file is no Python.
    """
    name = name.removeprefix(PREFIX)
    package = PREFIX + name
    configuration = read_module(_file(files, f"configuration_{package}.py"))
    modeling = read_module(_file(files, f"modeling_{package}.py"))
    configs = _configs(configuration)
    models = _models(modeling, package)
    layers = layer_classes(modeling)
    text_model = _text_model(models, modeling, configs, package)
    text_config = configs[text_model.config]
    return ModelFacts(
        name=name,
        package=package,
        prefix=_prefix(modeling),
        base_prefix=_prefix(modeling).removeprefix(GATED),
        configs=configs,
        text_config=text_config,
        models=models,
        text_model=text_model,
        causal_lm=next((each for each in models if each.role == "ForCausalLM"), None),
        layers=layers,
        gate=gate_class(modeling),
        abilities=_abilities(modeling, configs, text_config, models),
    )


def _file(files: Mapping[str, str], name: str) -> str:
    if name not in files:
        raise LookupError(f"there is no {name} among {', '.join(sorted(files)) or 'no files'}")
    return files[name]


def _prefix(modeling: Module) -> str:
    """What the names of the models begin with, said by the abstract one: "QualityGateLlama"."""
    return next(name for name in modeling.exported if name.endswith("PreTrainedModel")).removesuffix("PreTrainedModel")


def _configs(configuration: Module) -> dict[str, ConfigFacts]:
    return {name: _config(configuration, name) for name in configuration.exported if name.endswith("Config")}


def _config(module: Module, name: str) -> ConfigFacts:
    fields: dict[str, FieldFacts] = {}
    for each in reversed(list(module.lineage(name))):
        for statement in each.body:
            if isinstance(statement, ast.AnnAssign):
                default = "" if statement.value is None else ast.unparse(statement.value)
                fields[ast.unparse(statement.target)] = FieldFacts(ast.unparse(statement.annotation), default)
    model_type = module.attribute(name, "model_type")
    sub_configs = strings(module.attribute(name, "sub_configs_defaults") or module.attribute(name, "sub_configs"))
    plans = {f"{kind}_plan": strings(module.attribute(name, f"base_model_{kind}_plan")) for kind in ("tp", "pp", "ep")}
    return ConfigFacts(name, ast.literal_eval(model_type) if model_type else "", fields, sub_configs, **plans)


def _models(modeling: Module, package: str) -> tuple[ModelClass, ...]:
    names = [name for name in modeling.exported if name in modeling.classes and not name.endswith("PreTrainedModel")]
    models = tuple(_model(modeling, name) for name in names if _role(name))
    if not models:
        raise LookupError(f"modeling_{package}.py exports no model: {', '.join(modeling.exported) or 'nothing'}")
    return models


def _model(modeling: Module, name: str) -> ModelClass:
    config = modeling.annotation(name, "config") or ast.unparse(
        modeling.attribute(name, "config_class") or ast.Name("")
    )
    tied = strings(modeling.attribute(name, "_tied_weights_keys"))
    return ModelClass(name, _role(name), config, tied, modeling.arguments(name, "forward"))


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


def _abilities(
    modeling: Module, configs: Mapping[str, ConfigFacts], text: ConfigFacts, models: tuple[ModelClass, ...]
) -> Abilities:
    abstract = _prefix(modeling) + "PreTrainedModel"

    def says(attribute: str) -> bool:
        return says_true(modeling.attribute(abstract, attribute))

    recorded = strings(modeling.attribute(abstract, "_can_record_outputs"))
    heads = [each for each in models if each.role == "ForCausalLM"]
    return Abilities(
        sdpa=says("_supports_sdpa"),
        flash=says("_supports_flash_attn"),
        flex=says("_supports_flex_attn"),
        full_graph=says("_can_compile_fullgraph"),
        records_outputs="capture_outputs" in modeling.names and "hidden_states" in recorded,
        has_experts=any(field in text.fields for field in EXPERTS)
        or any(name.endswith("Experts") for name in modeling.classes),
        has_fused_experts="use_experts_implementation" in modeling.names,
        has_router_loss={"router_aux_loss_coef", "load_balancing_loss_func"} <= modeling.names
        and not any(text.fields[name].default == "False" for name in EXPERTS_WANTED if name in text.fields),
        has_sliding_window=any(field in text.fields for field in SLIDING),
        has_recurrent_state=any(mark in name for mark in RECURRENT for name in modeling.classes)
        or any(field in text.fields for field in RECURRENT_FIELDS)
        or any(says_true(modeling.attribute(each.name, "_is_stateful")) for each in heads),
        has_sinks="sinks" in modeling.names,
        has_images=any("vision_config" in each.sub_configs for each in configs.values()),
        ties_embeddings="tie_word_embeddings" in text.fields and any(each.tied_weights for each in models),
        checkpoints_gradients=says("supports_gradient_checkpointing"),
        returns_router_logits=_returns("router_logits", modeling, heads),
        returns_cache=_returns("past_key_values", modeling, heads),
        shifts_labels=not any(_takes_labels_as_they_are(modeling.classes[each.name]) for each in heads),
        counts_padding="alibi" not in modeling.names and not any("position_ids" in each.arguments for each in heads),
        names_whole_layers=any(strings(members(each).get("_no_split_modules")) for each in modeling.classes.values()),
    )


def _returns(field: str, modeling: Module, heads: Sequence[ModelClass]) -> bool:
    """Whether the language model hands `field=` on to an output."""
    calls = [
        node
        for model in heads
        for node in ast.walk(modeling.classes[model.name])
        if isinstance(node, ast.Call) and base_name(node.func).rpartition("Output")[1]
    ]
    return any(word.arg == field for call in calls for word in call.keywords)


def _takes_labels_as_they_are(head: ast.ClassDef) -> bool:
    """Whether a `forward` works out the cross entropy of `labels` by itself, and cuts neither end off: `labels[..., 1:]`."""
    forward = method(head, "forward")
    nodes = list(ast.walk(forward)) if forward else []
    called = {base_name(node.func) for node in nodes if isinstance(node, ast.Call)}
    cut = any(isinstance(node, ast.Subscript) and ast.unparse(node.value) == "labels" for node in nodes)
    return bool(called & {"CrossEntropyLoss", "cross_entropy"}) and not cut
