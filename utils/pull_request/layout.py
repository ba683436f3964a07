"""Where each file of a pull request goes."""

from __future__ import annotations

from collections.abc import Sequence

from pull_request.values import PACKAGE


MODELS = f"{PACKAGE}/models"
MODELS_INIT = f"{MODELS}/__init__.py"
AUTO_MAPPINGS = f"{MODELS}/auto/auto_mappings.py"
CONFIGURATION_AUTO = f"{MODELS}/auto/configuration_auto.py"  # kept by hand before auto_mappings.py was generated
MODELING_AUTO = f"{MODELS}/auto/modeling_auto.py"
CONVERSION_MAPPING = f"{PACKAGE}/conversion_mapping.py"
TOCTREE = "docs/source/en/_toctree.yml"
AUTO_DOCSTRING = f"{PACKAGE}/utils/auto_docstring.py"
CONFIG_CHECK = "utils/check_config_attributes.py"
REPO_CHECK = "utils/check_repo.py"


def model_folder(name: str) -> str:
    return f"{MODELS}/{name}"


def init_path(name: str) -> str:
    return f"{model_folder(name)}/__init__.py"


def modular_path(name: str) -> str:
    return f"{model_folder(name)}/modular_{name}.py"


def configuration_path(name: str) -> str:
    return f"{model_folder(name)}/configuration_{name}.py"


def modeling_path(name: str) -> str:
    return f"{model_folder(name)}/modeling_{name}.py"


def page_name(package: str, types: Sequence[str]) -> str:
    """What a model's page is called: as one of its model types, which its folder need not be.

    The repository's checker wants that; where several would do, it is the shortest.
    """
    return package if package in types or not types else min(types, key=lambda each: (len(each), each))


def page_path(name: str) -> str:
    return f"docs/source/en/model_doc/{name}.md"


def tests_folder(name: str) -> str:
    return f"tests/models/{name}"


def tests_path(name: str) -> str:
    return f"{tests_folder(name)}/test_modeling_{name}.py"
