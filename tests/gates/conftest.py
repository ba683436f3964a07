"""Tests of the gated models run on CPU, offline, once for each family."""

from __future__ import annotations

import pytest
from families import FAMILIES, Family


@pytest.fixture(params=FAMILIES, ids=str)
def family(request: pytest.FixtureRequest) -> Family:
    """Each of the four families."""
    return request.param
