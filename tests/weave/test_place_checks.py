"""In which classes of a base places may be declared, and what their words may name there."""

from __future__ import annotations

import pytest
from toy_deltas import PLAIN, module, refusal, view, woven
from weave.anchors import Misfit
from weave.place import Place
from weave.place_checks import check_words


LAYER = """\
class Old:
    kind = "old"

    def __init__(self, config, depth):
        self.norm = Norm(config)


class Layer(Old):
    def forward(self, x):
        shape = x.shape
        return self.mlp(x)
"""


@pytest.mark.parametrize(
    "words",
    [
        {"normed": "self.norm"},
        {"when": "self.kind != 'a' and depth > 0 and config.size and len(self.norm) > 1"},
        {"tokens": "shape"},
    ],
)
def test_what_a_class_has_can_be_named(words: dict[str, str]) -> None:
    toy = module(LAYER)
    check_words(toy, toy.classes["Layer"], Place("self.mlp", "self.mlp", **words))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"normed": "self.ln"}, "Layer has no `ln`"),
        ({"when": "self.kinds"}, "Layer has no `kinds`"),
        ({"when": "self.mlp"}, "Layer has no `mlp`"),  # it is read, and nobody sets it
        ({"when": "index > 0"}, "the constructor of Layer has no `index`"),
        ({"tokens": "x_shape"}, "`x_shape` is not a name that it assigns"),
    ],
)
def test_what_it_has_not_cannot(words: dict[str, str], message: str) -> None:
    toy = module(LAYER)
    with pytest.raises(Misfit) as problem:
        check_words(toy, toy.classes["Layer"], Place("self.mlp", "self.mlp", **words))
    assert message in str(problem.value)


def encoder(old: str = "", new: str = "") -> dict[str, str]:
    """The toy with the residual added in a class of its own."""
    name = "transformers.models.toy.modeling_toy"
    text = view().load(name).text
    text = text.replace(
        "class ToyMLP(nn",
        "class ToyOutput(nn.Module):\n    def forward(self, h, x):\n        return h + x\n\n\nclass ToyMLP(nn",
    )
    text = text.replace(
        "        self.mlp = ToyMLP(config)\n", "        self.mlp = ToyMLP(config)\n        self.output = ToyOutput()\n"
    )
    text = text.replace(
        "        hidden_states = self.mlp(hidden_states)\n        return residual + hidden_states\n",
        "        h = apply_chunking_to_forward(self.chunk, 1, 1, hidden_states)\n        return self.output(h, residual)\n\n"
        "    def chunk(self, x):\n        return self.mlp(x)\n",
    )
    assert "chunk" in text and old in text
    return {name: text.replace(old, new) if old else text}


BOTH = PLAIN.replace("import QualityGate", "import QualityGate, Scaled").replace(
    "class Q", 'class QualityGateToyOutput(base.ToyOutput):\n    quality_gate = Scaled("h", into="h + x")\n\n\nclass Q'
).replace('reads="self.mlp", scales="self.mlp"', 'reads="self.chunk", hands="self.output"')  # fmt: skip


def test_a_layer_and_the_class_that_scales_for_it() -> None:
    found = woven(BOTH, encoder())
    assert [each.name for each in found.layers] == ["QualityGateToyOutput", "QualityGateToyDecoderLayer"]
    assert "good_ratio if self.scale_ffn else None" in found.layers[1].forward
    assert not found.ungated


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        (
            '    quality_gate = Scaled("h", into="h + x")',
            "    x = 1",
            "`self.output` is handed the ratio, and no class takes it",
            13,
        ),
        ('hands="self.output"', 'hands="self.mlp"', "no layer of this delta hands ToyOutput a ratio", 9),
        (
            'reads="self.chunk", hands="self.output"',
            'reads="self.norm", scales="self.norm"',
            "no layer of this delta hands",
            9,
        ),
    ],
)
def test_a_layer_and_that_class_know_each_other(old: str, new: str, message: str, line: int) -> None:
    assert old in BOTH
    problem = refusal(BOTH.replace(old, new), encoder())
    assert (problem.code, problem.line) == ("no-place", line) and message in problem.message


def test_a_method_that_is_not_there_is_a_misfit() -> None:
    problem = refusal(BOTH.replace("self.chunk", "self.chonk"), encoder())
    assert (problem.code, problem.line) == ("anchor-misfit", 13)
    assert "has no method that `self.chonk` could be" in problem.message
