"""Models that the tests of selection share."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


if importlib.util.find_spec("pyarrow") is None:  # the extra `data`, which `make test` installs
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    from selection_models import save_models

    return save_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def gated(models: tuple[Path, Path]) -> Path:
    return models[0]


@pytest.fixture
def base(models: tuple[Path, Path]) -> Path:
    return models[1]
