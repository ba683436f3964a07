"""Of the viewer's rooms only what runs models knows torch."""

from __future__ import annotations

from layers import UTILS, imports_of, roots


PACKAGE = UTILS / "viewing"


def test_only_what_runs_models_knows_torch() -> None:
    knowing = {path.stem for path in PACKAGE.glob("*.py") if roots(imports_of(path)) & {"torch", "transformers"}}
    assert knowing <= {"texts", "scores", "attention", "memory", "kinds", "cli"}
