"""Tests of the gated models run on CPU, offline, once for each family."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from families import FAMILIES, Family


@pytest.fixture(params=FAMILIES, ids=str)
def family(request: pytest.FixtureRequest) -> Family:
    """Each of the four families."""
    return request.param


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is logged during the test, in order."""
    said: list[str] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: said.append(record.getMessage()))
    logging.getLogger().addHandler(handler)
    yield said
    logging.getLogger().removeHandler(handler)
