"""Anchors followed in a forward: where they fit, and where they do not."""

from __future__ import annotations

import pytest
from scaffold.sites.fit import fit
from scaffold.sites.values import NoPlace
from toy_layers import FIRST, toy
from weave.place import Place


@pytest.mark.parametrize(
    ("body", "place", "line", "message"),
    [
        ("x = self.mlp(x)\nreturn x", Place("self.ffn", "self.ffn"), 0, "`self.ffn` fits nothing"),
        ("x = self.mlp(x)\nx = self.mlp(x)", Place("self.mlp", "self.mlp"), 2, "`self.mlp` fits 2 times"),
        (
            "x = self.mlp(x)\nx = self.mlp(y)",
            Place("self.mlp(x)", "drop"),
            1,
            "`drop` fits nothing behind `self.mlp(x)`",
        ),
        ("x = drop(x)\nx = self.mlp(x)", Place("self.mlp", "drop"), 2, "`drop` fits nothing behind"),
        (
            "x = self.mlp(x)\nx = drop(x)\nx = drop(x)",
            Place("self.mlp", "drop"),
            3,
            "`drop` fits more than once behind",
        ),
        (
            "x = self.mlp(x)\nif self.a:\n    x = drop(x)\n    x = drop(x)",
            Place("self.mlp", "drop"),
            2,
            "`drop` fits more than once behind",
        ),
        ("x = self.mlp(x)\ndrop(x)", Place("self.mlp", "drop"), 2, "what `drop` returns is not assigned to a name"),
        ("x = self.mlp(x)\nx = x + y", Place("self.mlp", "z", into="x + y"), 2, "`z` is not in `x + y`"),
        ("x = self.mlp(x, y)", Place("self.mlp", "self.mlp", adds="z"), 1, "`z` is not an argument of `self.mlp`"),
    ],
)
def test_anchors_that_do_not_fit_are_refused_by_line(body: str, place: Place, line: int, message: str) -> None:
    module = toy(body)
    with pytest.raises(NoPlace) as refused:
        fit(module.method(module.classes["Layer"], "forward"), place)
    assert message in str(refused.value)
    assert refused.value.line == FIRST + line - 1


def test_exclusive_branches_are_an_if_and_nothing_else() -> None:
    place = Place("self.mlp", "self.mlp")
    branches = toy("if self.a:\n    x = self.mlp(x)\nelse:\n    x = self.mlp(x)")
    assert len(fit(branches.method(branches.classes["Layer"], "forward"), place)) == 2
    for body in (
        "for y in x:\n    x = self.mlp(x)\nelse:\n    x = self.mlp(x)",
        "try:\n    x = self.mlp(x)\nfinally:\n    x = self.mlp(x)",
    ):
        module = toy(body)
        with pytest.raises(NoPlace, match="fits 2 times"):
            fit(module.method(module.classes["Layer"], "forward"), place)
