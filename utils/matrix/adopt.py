"""Architectures out of the workspace into the project: a delta, what is generated from it, and its tests."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from gating.cli import main as convert
from testgen.cli import main as render_tests

from matrix.workspace import MatrixWorkspace


def adopt(workspace: MatrixWorkspace, names: Sequence[str]) -> None:
    """Copy deltas to modular/ and make everything else from them there; a delta that is there is never replaced."""
    new = [name for name in names if not (workspace.project / "modular" / workspace.delta(name).name).exists()]
    for name in new:
        shutil.copy(workspace.delta(name), workspace.project / "modular")
    if new:
        models = [word for name in new for word in ("--model", name)]
        convert([*models, "--quiet"], project=workspace.project)
        suites = workspace.project / "tests" / "models"
        folders = ["--generated", workspace.project / "generated", "--output", suites]
        listing = ["--manifest"] if (suites / "conftest.py").exists() else []  # pytest can run there
        render_tests([*models, *map(str, folders), *listing])
