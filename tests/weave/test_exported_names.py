"""Which models a woven file exports: all here, and in a pull request those that the base exports and what stands alone."""

from __future__ import annotations

import ast
from types import SimpleNamespace

import pytest
from weave.values import Values


def exported(parents: dict[str, str], theirs: str, is_upstream: bool = True) -> list[str]:
    """Of gated models, name -> class of the base, those in `__all__`."""
    parts = [SimpleNamespace(name=name, parent=parent) for name, parent in parents.items()]
    tree = ast.parse(f"__all__ = [{theirs}]")
    values = SimpleNamespace(is_upstream=is_upstream, base=SimpleNamespace(modeling=SimpleNamespace(tree=tree)))
    return Values._exported(values, parts)


GATED = {"GateToyModel": "ToyModel", "GateToyDecoder": "ToyDecoder"}


@pytest.mark.parametrize(
    ("parents", "theirs", "names"),
    [
        (GATED, '"ToyModel"', ["GateToyModel"]),  # the decoder is hidden behind its model
        (GATED, '"ToyModel", "ToyDecoder"', ["GateToyModel", "GateToyDecoder"]),
        ({"GateToyDecoder": "ToyDecoder"}, '"ToyModel"', ["GateToyDecoder"]),  # nothing stands in front of it
        ({"GateToyModel": "ToyModel", "GateOtherDecoder": "OtherDecoder"}, "", ["GateToyModel", "GateOtherDecoder"]),
        ({"GateToyModel": "ToyModel", "GateToyTransformer": "ToyTransformer"}, '"ToyTransformer"', ["GateToyModel"]),
    ],
)
def test_a_pull_request_exports_what_the_base_does(parents: dict[str, str], theirs: str, names: list[str]) -> None:
    assert exported(parents, theirs) == names


def test_here_all_are_exported() -> None:
    parents = {**GATED, "GateToyTransformer": "ToyTransformer"}
    assert exported(parents, "", is_upstream=False) == list(parents)
