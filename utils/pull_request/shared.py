"""The files that all models share, as they are with one more model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from facts.values import ModelClass, ModelFacts

from pull_request.edits import (
    config_fields,
    conversions,
    docstring_configs,
    mappings,
    models_init,
    repo_lists,
    toctree,
)
from pull_request.layout import (
    AUTO_DOCSTRING,
    AUTO_MAPPINGS,
    CONFIG_CHECK,
    CONFIGURATION_AUTO,
    CONVERSION_MAPPING,
    MODELING_AUTO,
    MODELS_INIT,
    REPO_CHECK,
    TOCTREE,
    configuration_path,
    modeling_path,
    page_name,
)
from pull_request.unused import inherited_unused
from pull_request.values import Tree, base_in


# Where a head goes whose base is in no table, by what its name ends in.
TABLES = {
    "Model": "MODEL_MAPPING_NAMES",
    "ForCausalLM": "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "ForConditionalGeneration": "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "ForSequenceClassification": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    "ForTokenClassification": "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
    "ForQuestionAnswering": "MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES",
}


def shared_files(facts: ModelFacts, tree: Tree) -> dict[str, str]:
    """path -> new text, of those files that the tree has and that the model changes.

    `tree` holds the model's own files already.
    """
    edited: dict[str, Callable[[str], str]] = {
        MODELS_INIT: lambda text: models_init.add_model(text, facts.package),
        AUTO_MAPPINGS: lambda text: with_configs(text, facts),
        CONFIGURATION_AUTO: lambda text: text if tree.read(AUTO_MAPPINGS) else with_configs(text, facts),
        MODELING_AUTO: lambda text: with_models(text, facts),
        TOCTREE: lambda text: toctree.add_page(text, page_of(facts), facts.prefix, page_of_base(facts, tree)),
        CONVERSION_MAPPING: lambda text: conversions.add_conversions(text, dict(_renamed(facts))),
        AUTO_DOCSTRING: lambda text: with_docstrings(text, facts),
        REPO_CHECK: lambda text: repo_lists.repeat_exceptions(
            text, {each.base_name: each.name for each in facts.models}
        ),
        CONFIG_CHECK: lambda text: config_fields.allow_fields(text, unread_fields(facts, tree), _bases(facts)),
    }
    texts = {path: text for path in edited if (text := tree.read(path)) is not None}
    new = {path: edited[path](text) for path, text in texts.items()}
    return {path: text for path, text in new.items() if text != texts[path]}


def page_of(facts: ModelFacts) -> str:
    """The name of the model's page."""
    return page_name(facts.package, [config.model_type for config in facts.configs.values()])


def page_of_base(facts: ModelFacts, tree: Tree) -> str:
    """The name of its base's page."""
    tables = mappings.read_tables(tree.read(AUTO_MAPPINGS) or tree.read(CONFIGURATION_AUTO) or "")
    folders = tables[mappings.FOLDERS].values if mappings.FOLDERS in tables else {}
    types = [key for key, folder in folders.items() if folder == facts.name]
    has_own = mappings.CONFIGS not in tables or facts.name in tables[mappings.CONFIGS].values
    return facts.name if has_own else page_name(facts.name, types)


def with_docstrings(text: str, facts: ModelFacts) -> str:
    """The configuration of a folder whose name is no model type; those of others are found by it."""
    if facts.package in [config.model_type for config in facts.configs.values()]:
        return text
    return docstring_configs.name_config(text, facts.name, facts.package, facts.text_config.name)


def with_configs(text: str, facts: ModelFacts) -> str:
    """The table of configurations, and the folder of those whose model type is not its name."""
    types = [(config.model_type, config.name) for config in facts.configs.values()]
    wanted = [(mappings.CONFIGS, *each) for each in types]
    wanted += [(mappings.FOLDERS, key, facts.package) for key, _ in types if key != facts.package]
    return mappings.add_entries(text, wanted)


def with_models(text: str, facts: ModelFacts) -> str:
    """Every table that has a base of one of the models has the gated one too."""
    tables = mappings.read_tables(text)
    keys = {model.name: facts.configs[model.config].model_type for model in facts.models}
    listed = [model for model in facts.models if any(_has_base(table, model, keys) for table in tables.values())]
    models = [*listed, *(model for model in facts.models if model not in listed)]
    return mappings.add_entries(
        text,
        (
            (table, keys[model.name], model.name)
            for model in models
            for table in sorted(tables_of(model, keys[model.name], tables.values()))
        ),
    )


def _has_base(table: mappings.Table, model: ModelClass, keys: Mapping[str, str]) -> bool:
    return table.values.get(base_in(keys[model.name])) == model.base_name


def tables_of(model: ModelClass, key: str, tables: Iterable[mappings.Table]) -> set[str]:
    """The tables that a model belongs to: those of its base, or else the one of its task."""
    base = base_in(key)
    found = {table.name for table in tables if table.values.get(base) == model.base_name}
    return found or {TABLES[model.role]} if model.role in TABLES else found


def unread_fields(facts: ModelFacts, tree: Tree) -> dict[str, list[str]]:
    """Fields that the modeling file does not read: of the base's, those that its own reads. The others are excepted."""
    modeling = tree.read(modeling_path(facts.package)) or ""
    configuration = tree.read(configuration_path(facts.package)) or ""
    of_base = tree.read(modeling_path(facts.name)) or ""
    theirs = base_fields(facts, tree) - set(inherited_unused(configuration, modeling, of_base))
    found = {}
    for config in facts.configs.values():
        own = [name for name in config.fields if name not in theirs]
        found[config.name] = config_fields.unread(own, modeling)
    return found


def base_fields(facts: ModelFacts, tree: Tree) -> set[str]:
    """The names that the base's configuration file gives to fields."""
    return set(config_fields.declared(tree.read(configuration_path(facts.name))))


def _bases(facts: ModelFacts) -> dict[str, str]:
    return {config.name: config.base_name for config in facts.configs.values()}


def _renamed(facts: ModelFacts) -> Iterable[tuple[str, str]]:
    for config in facts.configs.values():
        yield base_in(config.model_type), config.model_type
    for model in facts.models:
        yield model.base_name, model.name
