"""A job for tests that need one."""

from __future__ import annotations

from pathlib import Path

import pytest
from building.jobs import Job
from outcomes import job_in


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A model called toy, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return job_in(tmp_path)
