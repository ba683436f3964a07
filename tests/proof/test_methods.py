"""What methods take, by signature and by decorator."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
from proof.methods import lacks, old_names, parameters
from proof.values import Lack


BASE = """
from functools import wraps
def deprecate_kwarg(old_name, version, new_name=None):
    def decorate(function):
        @wraps(function)
        def called(*args, **kwargs): return function(*args, **kwargs)
        return called
    return decorate
class Generic:
    @deprecate_kwarg("pixels", version="9", new_name="images")
    def forward(self, images): pass
class ToyModel(Generic):
    @deprecate_kwarg("past", "9", new_name="cache")
    @deprecate_kwarg("gone", "9")
    def forward(self, ids, cache=None, *rest, mask=None, **others): pass
    def helper(self, a): pass
class ToyHead(Generic): pass
"""
CONVERTED = """
from a_toy_base import Generic, deprecate_kwarg
class QualityGateToyModel:
    def forward(self, ids, past=None, mask=None, score=False): pass
    def helper(self, a, b): pass
class QualityGateToyHead(Generic):
    forward = Generic.forward
class QualityGateToyGate:
    def forward(self, x): pass
"""


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    (tmp_path / "a_toy_base.py").write_text(BASE)
    (tmp_path / "a_toy_converted.py").write_text(CONVERTED)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("a_toy_base", "a_toy_converted"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("a_toy_base"), importlib.import_module("a_toy_converted")


def test_parameters_are_those_under_the_decorators(toys: tuple[ModuleType, ModuleType]) -> None:
    assert parameters(toys[0].ToyModel.forward) == ["ids", "cache", "mask"]


def test_old_names_are_read_off_the_decorators(toys: tuple[ModuleType, ModuleType]) -> None:
    base, converted = toys
    assert old_names(base.ToyModel.forward) == {"past": "cache"}
    assert old_names(base.ToyHead.forward) == {"pixels": "images"}, "inherited"
    assert old_names(converted.QualityGateToyHead.forward) == {"pixels": "images"}, "assigned"
    assert old_names(base.ToyModel.helper) == {}


def test_what_the_converted_methods_do_not_take(toys: tuple[ModuleType, ModuleType]) -> None:
    base, converted = toys
    assert lacks(converted, base) == (
        Lack("QualityGateToyModel.forward", "cache"),
        Lack("QualityGateToyModel.forward", "past", renamed=True),
    )
