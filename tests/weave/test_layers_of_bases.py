"""The gated layers of a base: constructors, forwards, and what is said of where the gates stand."""

from __future__ import annotations

import pytest
from toy_deltas import PLAIN, converted, members, refusal, view, woven


NAME = "transformers.models.toy.modeling_toy"


def toy(old: str, new: str) -> dict[str, str]:
    text = view().load(NAME).text
    assert old in text
    return {NAME: text.replace(old, new)}


def test_a_layer_has_its_constructor_its_forward_and_its_place() -> None:
    [layer] = woven().layers
    assert (layer.name, layer.parent) == ("QualityGateToyDecoderLayer", "ToyDecoderLayer")
    assert layer.parameters == "config: QualityGateToyConfig, layer_idx: int"
    assert layer.arguments == "config, layer_idx"
    assert layer.set_up.split("\n")[0] == "        self.quality_gate = QualityGateToyGate(config)"
    [place] = layer.places
    line = int(place.rpartition(":")[2])
    assert view().load(NAME).text.split("\n")[line - 1].strip() == "hidden_states = self.mlp(hidden_states)"


def test_a_condition_is_asked_when_a_layer_is_made() -> None:
    text = PLAIN.replace('scales="self.mlp"', 'scales="self.mlp", when="self.layer_idx > 0"')
    body = members(converted(text)["modeling"], "QualityGateToyDecoderLayer")["__init__"]
    assert "if self.layer_idx > 0:\n        self.quality_gate = QualityGateToyGate(config)\n" in body


def test_a_forward_without_kwargs_gets_the_argument_and_its_callers_hand_it_on() -> None:
    modules = toy(
        "torch.Tensor, **kwargs: Unpack[TransformersKwargs]) -> torch.Tensor", "torch.Tensor) -> torch.Tensor"
    )
    modules[NAME] = modules[NAME].replace(
        "(hidden_states, **kwargs)\n        residual", "(hidden_states)\n        residual"
    )
    modules[NAME] = modules[NAME].replace("= layer(hidden_states, **kwargs)", "= layer(hidden_states)")
    found = converted(PLAIN, modules)["modeling"]
    assert (
        "def forward(self, hidden_states: torch.Tensor, output_quality_logits: bool=False)"
        in members(found, "QualityGateToyDecoderLayer")["forward"]
    )
    assert (
        "layer(hidden_states, output_quality_logits=output_quality_logits)"
        in members(found, "QualityGateToyModel")["forward"]
    )


def test_layers_without_a_gate_are_told() -> None:
    modules = toy("class ToyPreTrainedModel(", "class ToyPreTrainedModel(")
    modules[NAME] = modules[NAME].replace(
        "@auto_docstring\nclass ToyPreTrained",
        "class ToyMixerLayer(nn.Module):\n    def forward(self, x):\n        return self.a(self.b(self.c(x)))\n\n\n@auto_docstring\nclass ToyPreTrained",
    )
    modules[NAME] = modules[NAME].replace(
        "[ToyDecoderLayer(config, i) for", "[(ToyDecoderLayer if i else ToyMixerLayer)(config, i) for"
    )
    found = woven(PLAIN, modules)
    assert found.ungated == ("ToyMixerLayer",)
    assert [each.parent for each in found.layers] == ["ToyDecoderLayer"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "def __init__(self, config: ToyConfig, layer_idx: int):\n        super().__init__()\n        self.layer_idx = layer_idx\n        self.self_attn",
            "def __init__(self, size, layer_idx):\n        super().__init__()\n        self.layer_idx = layer_idx\n        self.self_attn",
            "is not made from a configuration alone",
        ),
        (
            "def forward(self, hidden_states: torch.Tensor, **kwargs: Unpack",
            "def run(self, hidden_states: torch.Tensor, **kwargs: Unpack",
            "is not a layer that ToyModel goes through",
        ),
    ],
)
def test_what_no_gate_can_be_put_into(old: str, new: str, message: str) -> None:
    problem = refusal(PLAIN, toy(old, new))
    assert problem.code == "no-place" and problem.line in (5, 9) and message in problem.message


def test_a_layer_that_is_not_named_after_its_model() -> None:
    text = PLAIN.replace("base.ToyDecoderLayer", "base.PlainLayer").replace(
        "QualityGateToyDecoderLayer", "QualityGatePlainLayer"
    )
    problem = refusal(text, toy("ToyDecoderLayer", "PlainLayer"))
    assert (problem.code, problem.line) == ("no-place", 9)
    assert (
        "PlainLayer is not named after its model: ToyModel would go on building it without a gate" in problem.message
    )
