"""The inputs that once went wrong, where they lie beside the checkout: each script exits with 0 when its answer is right.

They are no part of the repository, and every one that is mended has a test of its own in the suite as well.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
CASES = Path(os.environ.get("RELIABILITY_CASES", ROOT.parent / "shared" / "cases" / "reliability"))
SCRIPTS = sorted(CASES.glob("*/run.sh")) if CASES.is_dir() else []
# What has been found and not been mended yet: the test fails as soon as one of them is.
OPEN: dict[str, str] = {}


@pytest.mark.skipif(
    not SCRIPTS, reason="the scripts lie in ../shared/cases/reliability, or where RELIABILITY_CASES says"
)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.parent.name)
def test_a_case_has_its_right_answer(script: Path, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    reason = OPEN.get(script.parent.name)
    if reason:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
    done = subprocess.run(
        ["bash", str(script)],
        cwd=tmp_path,  # a script that fails half way goes on where it is
        env=kept | {"QG": str(ROOT), "PY": sys.executable},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
