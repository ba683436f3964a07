"""Names that splices assign are theirs alone: one that a base's forward has for something else is refused."""

from __future__ import annotations

import ast

import pytest
from toy_deltas import forward, function
from weave.anchors import Misfit
from weave.attention_output import feed
from weave.gate import Site
from weave.layer_output import at_the_end
from weave.place import Feeds, Place, Returns
from weave.splice import check_names, splice
from weave.spliced import Spliced


def spliced(text: str, *parameters: str) -> Spliced:
    return Spliced("scale", parameters, tuple(ast.parse(text).body), text)


TAKES = spliced("residual = output * 2\noutput = residual\n", "output")
BODY = "residual = x\nx = self.mlp(x)\nreturn x\n"


@pytest.mark.parametrize(
    "weave",
    [
        lambda text: splice(text, Place(reads="self.mlp", scales="self.mlp"), {Site.FEED_FORWARD_OUTPUT: TAKES}),
        lambda text: feed(text, Feeds("self.mlp"), {Site.ATTENTION_OUTPUT: TAKES}),
        lambda text: at_the_end(text, Returns("x"), {Site.LAYER_OUTPUT: TAKES}),
    ],
    ids=["feed forward", "attention", "layer"],
)
def test_a_name_of_the_base_is_refused_at_its_line(weave: object) -> None:
    assert callable(weave)
    with pytest.raises(
        Misfit, match="the gate's `scale` assigns `residual`, and this forward has a `residual`"
    ) as error:
        weave(forward(BODY, "self, x"))
    assert error.value.line == 2
    assert weave(forward(BODY.replace("residual", "before"), "self, x")).text


def test_what_a_splice_is_given_and_underscores_are_no_names_of_its_own() -> None:
    assert TAKES.stored == ("residual", "output") and TAKES.own == ("residual",)
    taken = spliced("output, _ = gate(output)\nfor number in output: pass\n", "output")
    assert taken.own == ("number",)
    site = Site.LAYER_OUTPUT
    check_names(function("def f(self, output, _): return output\n"), {site: taken}, (site,))
    with pytest.raises(Misfit, match="`number`"):
        check_names(function("def f(self, number): return 1\n"), {site: taken}, (site,))
