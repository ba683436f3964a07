"""Models that the tests of selection share."""

from __future__ import annotations

from pathlib import Path

import pytest


pytest.importorskip("pyarrow", reason="the extra `data` is not installed")


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
