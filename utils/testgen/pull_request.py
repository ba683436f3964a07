"""Facts -> a model's test file as transformers has one for each of its models, for a pull request.

Nothing here is run from where it lies in this project: its base classes are transformers' own, see `common_tests`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from building.style import style
from building.tools import SHIPPED_CONFIG
from facts.entries import problem
from facts.peculiar import Peculiarities, peculiarities
from facts.tiny import PER_LAYER, TINY_IMAGE_TEXT, TINY_VISION, tiny_fields
from facts.values import ModelFacts
from rendering.render import render

from testgen.local import template_of
from testgen.tester_gaps import HYBRID, is_hybrid, records_routers, sizes_of_model, skips_of_model, states_of_model


TEMPLATE = "tests/upstream_modeling.py.j2"
HOLDER = "The Quality Gate team"
CHECKPOINTING = "activation_checkpointing_enable"
# The attributes of transformers' tester that its configurations are made from: a file says only what they leave out.
TESTER_SIZES = {
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "max_position_embeddings", "pad_token_id", "bos_token_id", "eos_token_id"),
    *("num_experts", "num_experts_per_tok", "moe_intermediate_size"),
}
STATES_BETWEEN_LAYERS = "expected_num_hidden_layers"  # how many, where the tester's number of layers does not say
# Windows stay as wide as the configuration says, which is wider than the texts of these tests: caches are asked for all
# of a text, and those of a narrow window keep less.
WINDOWS = {
    *("sliding_window", "sliding_window_size", "attention_window_size", "attention_chunk_size"),
    *("use_sliding_window", "max_window_layers"),
}
SPECIAL_TOKENS = 3  # padding, begin and end of a text
LAYERS = 2  # transformers allows no more in these tests
# Other spellings of what the tester knows; what it says of their number has to be true.
SPELLINGS = {
    **dict.fromkeys(("n_layer", "n_layers", "num_layers", "layers", "decoder_layers", "encoder_layers"), LAYERS),
    **dict.fromkeys(("n_head", "n_heads", "num_heads", "attention_heads"), 2),
    **dict.fromkeys(("decoder_attention_heads", "encoder_attention_heads"), 2),
    **dict.fromkeys(("n_positions", "max_seq_len"), 512),
}
LISTS = ("layer_types",)  # one element for every layer
_SIZE = re.compile(r"[\w .+*/-]+")  # "2 * config.hidden_size"
# Pipelines by the role of their model; transformers' tester knows them only for the roles that it knows itself.
TASKS = {
    "feature-extraction": "Model",
    "fill-mask": "ForMaskedLM",
    "question-answering": "ForQuestionAnswering",
    "text-classification": "ForSequenceClassification",
    "text-generation": "ForCausalLM",
    "token-classification": "ForTokenClassification",
    "zero-shot": "ForSequenceClassification",
}
PRETRAINING = "ForPreTraining"
_LABEL = re.compile(r"labels?$|^labels_input_ids$")  # RoCBert spells it so
STATES = ("conv", "recurrent")  # what linear attention keeps in a cache
ROLES = {
    "causal_lm_class": "ForCausalLM",
    "sequence_classification_class": "ForSequenceClassification",
    "token_classification_class": "ForTokenClassification",
    "question_answering_class": "ForQuestionAnswering",
}
# Its weights are named differently in the heads that answer questions of some bases.
NOT_COMPARED = "ForQuestionAnswering"
# Halves of models that transformers exports as a whole alone: its own tests import these from their file.
INTERNAL = "Decoder"


@dataclass(frozen=True)
class TestedPart:
    """The text models of a package, or its image-text models: what the templates ask for."""

    config: str
    base_config: str
    generative: str  # the language model
    models: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]  # (class of the base, gated class)
    sizes: Mapping[str, Any]
    is_image: bool = False
    model: str = ""  # the base model of the text part
    roles: Mapping[str, str] = field(default_factory=dict)  # classes that are not named after the base model
    text_sizes: Mapping[str, Any] = field(default_factory=dict)
    vision_sizes: Mapping[str, Any] = field(default_factory=dict)
    skips: Mapping[str, str] = field(default_factory=dict)  # test of transformers -> why it is not for this model
    classes: tuple[str, ...] = ()  # all models, where transformers' tester does not find all of them
    tasks: Mapping[str, str] = field(default_factory=dict)  # of pipelines -> the model for it, beside `classes`
    labelled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # model -> labels that its loss asks for
    states: Mapping[str, str] = field(default_factory=dict)  # "conv", "recurrent" -> the sizes of one sample, as code
    records_routers: bool = True
    special: int = SPECIAL_TOKENS  # tokens at the start of the vocabulary that are no text
    image_token: str = "image_token_index"
    tokens_per_image: str = "mm_tokens_per_image"


def suite_path(facts: ModelFacts) -> str:
    """Where a model's suite lies, here as in a tree of transformers."""
    return f"tests/models/{facts.package}/test_modeling_{facts.package}.py"


def upstream_test(
    facts: ModelFacts, files: Mapping[str, str], holder: str = HOLDER, checkpointing: str = CHECKPOINTING
) -> str:
    """The text of the test file, formatted as transformers formats. Pure.

    Args:
        facts: of a generated package.
        files: the texts of its files by name: the year and the checkpoint of the base are read off the configuration.
        holder: of the copyright.
        checkpointing: the method by which models of the tree compute activations again.

    Raises:
        LookupError: the configuration names no year or no checkpoint, or there is no language model of it to test.
        PeculiarError: what is peculiar about it is refused, or names fields that its configuration has not.
    """
    peculiar = peculiarities(facts.name)
    peculiar.check("pull_request.tiny", peculiar.upstream_tiny, _known_sizes(facts), "size of the tester")
    configuration = files[f"configuration_{facts.package}.py"]
    modeling = files[f"modeling_{facts.package}.py"]
    text, image = _text_part(facts, configuration, modeling, peculiar), _image_part(facts, configuration, peculiar)
    parts = [part for part in (image, text) if part]
    if not parts:
        raise LookupError(
            f"no language model of {facts.package} has its text model's configuration, {facts.text_config.name}"
        )
    imported = _imported(facts, parts[::-1])
    peculiar.check("pull_request.exported", peculiar.exported, imported, "class that the tests of it import")
    internal = [name for name in imported if _is_internal(name, facts, peculiar)]
    base, gated = next(pair for pair in parts[0].pairs if pair[1] == parts[0].generative)
    raw = render(
        TEMPLATE,
        facts=facts,
        text=text,
        image=image,
        steps=peculiar.training_steps,
        imported=[name for name in imported if name not in internal],
        internal=internal,
        year=_find(r"^# Copyright (\d{4})", configuration, "year"),
        checkpoint=_find(r'checkpoint="([^"]+)"', configuration, "checkpoint"),
        holder=holder,
        checkpointing=checkpointing,
        integration={"base": base, "gated": gated},
        gates_template=template_of(facts.names, "upstream_gates.j2"),
        integration_template=template_of(facts.names, "upstream_integration.j2"),
    )
    path = suite_path(facts)
    return style({path: raw}, SHIPPED_CONFIG).texts[path]


def _find(pattern: str, text: str, what: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        raise LookupError(f"the configuration names no {what}: nothing in it matches {pattern}")
    return found[1]


def _imported(facts: ModelFacts, parts: list[TestedPart]) -> list[str]:
    names = {name for part in parts for pair in part.pairs for name in pair}
    names |= {name for part in parts for name in (*part.models, *part.classes, *part.roles.values(), part.base_config)}
    return sorted(names | {part.config for part in parts if part.is_image})


def _is_internal(name: str, facts: ModelFacts, peculiar: Peculiarities) -> bool:
    """Whether a class of the base has to be imported from its file. What is ours is exported."""
    return not name.startswith(facts.prefix) and not peculiar.exported.get(name, not name.endswith(INTERNAL))


def _known_sizes(facts: ModelFacts) -> set[str]:
    """What the tester's attributes may be called: as fields of the configuration, or as transformers' tester has it."""
    return {*facts.text_config.fields, *TESTER_SIZES, STATES_BETWEEN_LAYERS}


def _text_part(facts: ModelFacts, configuration: str, modeling: str, peculiar: Peculiarities) -> TestedPart | None:
    if facts.causal_lm is None or facts.causal_lm.config != facts.text_config.name:
        return None
    prefix = facts.text_model.name.removesuffix("Model")
    named = {each.role: each.name for each in facts.text_models}
    roles = {role: named[ending] for role, ending in ROLES.items() if named.get(ending) not in (None, prefix + ending)}
    if facts.text_config.name != prefix + "Config":
        roles["config_class"] = facts.text_config.name
    others = [each for each in facts.text_models if each.role not in {"Model", *ROLES.values()}]
    others = [each for each in others if each.name != facts.text_model.name]
    pretrained = [each for each in others if each.role == PRETRAINING]
    sizes = _own_sizes(facts, configuration, peculiar)
    return TestedPart(
        config=facts.text_config.name,
        base_config=facts.text_config.base_name,
        generative=facts.causal_lm.name,
        models=(facts.text_model.name,),
        pairs=_pairs(facts.text_models),
        sizes={name: repr(value) for name, value in {**sizes_of_model(modeling, configuration), **sizes}.items()},
        model=facts.text_model.name,
        roles=roles,
        skips={**skips_of_model(modeling, configuration), **_skips(facts, peculiar)},
        classes=tuple(each.name for each in facts.text_models) if others else (),
        tasks={task: named[role] for task, role in TASKS.items() if role in named} if others else {},
        labelled={each.name: tuple(filter(_LABEL.search, each.arguments)) for each in pretrained},
        states={**states_of_model(facts.text_config.fields), **_states(peculiar)},
        records_routers=records_routers(modeling, configuration),
    )


def _skips(facts: ModelFacts, peculiar: Peculiarities) -> dict[str, str]:
    """Tests of transformers that say nothing of this model, with the reason."""
    skips = dict(peculiar.upstream_skip)
    if facts.text_config.ep_plan and not any("experts" in name for name in facts.text_config.tp_plan):
        why = (
            "Like its base, the model shards experts by its expert parallel plan alone, and by no tensor parallel one"
        )
        skips["test_moe_parallel_plans_shard_experts"] = why
    return skips


def _states(peculiar: Peculiarities) -> dict[str, str]:
    """The sizes of each kind of state, as code. Raises PeculiarError where there is no such kind, or they are no code."""
    section = "pull_request.states"
    peculiar.check(section, peculiar.upstream_states, STATES, "kind of state")
    for name, sizes in peculiar.upstream_states.items():
        if not isinstance(sizes, list) or not all(_SIZE.fullmatch(str(each)) for each in sizes):
            message, fix = f"`{name}` cannot be {sizes!r}", 'write sizes as code: `["config.hidden_size", "4"]`'
            raise problem(peculiar.path, peculiar.text, "bad-peculiarity", message, fix, section, name)
    return {name: ", ".join(map(str, sizes)) for name, sizes in peculiar.upstream_states.items()}


def _image_part(facts: ModelFacts, configuration: str, peculiar: Peculiarities) -> TestedPart | None:
    config = facts.image_config
    generative = next((each.name for each in facts.image_models if each.role == "ForConditionalGeneration"), "")
    if config is None or not generative:
        return None
    text = facts.text_config
    sizes = {name: value for name, value in tiny_fields(text.fields, facts.name).items() if name in TESTER_SIZES}
    image_sizes = {name: value for name, value in TINY_IMAGE_TEXT.items() if name in config.fields}
    # Tests that take tokens off the end of the vocabulary must leave those that stand for an image.
    named = [name for name in image_sizes if name.endswith(("_token_index", "_token_id"))]
    image_tokens = {name: SPECIAL_TOKENS + number for number, name in enumerate(named)}
    return TestedPart(
        config=config.name,
        base_config=config.base_name,
        generative=generative,
        models=tuple(each.name for each in facts.image_models),
        pairs=_pairs(facts.image_models),
        sizes={**image_sizes, **image_tokens},
        is_image=True,
        text_sizes={**sizes, "num_hidden_layers": LAYERS, **_own_sizes(facts, configuration, peculiar)},
        vision_sizes={**TINY_VISION, "vision_use_head": False},  # a head on top of the patches, which nothing reads
        special=SPECIAL_TOKENS + len(image_tokens),
    )


def _pairs(models: Any) -> tuple[tuple[str, str], ...]:
    return tuple((each.base_name, each.name) for each in models if each.role != NOT_COMPARED)


def _own_sizes(facts: ModelFacts, configuration: str, peculiar: Peculiarities) -> dict[str, Any]:
    """Sizes of the text model that transformers' tester does not know, and that are not derived from those it knows."""
    fields = facts.text_config.fields
    derived = {name for name, field in fields.items() if field.default == "None"} - {
        *LISTS,
        *peculiar.tiny,
    }
    if "self.head_dim = " not in configuration:
        derived.discard("head_dim")  # left to the modeling file, which not every caller of it does
    sizes = {
        name: value[:LAYERS] if name in LISTS else SPELLINGS.get(name, value)
        for name, value in tiny_fields(fields, facts.name).items()
        if name not in {*TESTER_SIZES, *WINDOWS, *derived, PER_LAYER}  # it has other layers
    }
    if "layer_types" in fields and is_hybrid(configuration):
        sizes.setdefault("layer_types", list(HYBRID))  # by default every fourth layer attends, of two none
    return {**sizes, **facts.names.tiny, **peculiar.upstream_tiny}
