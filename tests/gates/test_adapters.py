"""Gates beside LoRA adapters, in a small file of their own, and from the original project's files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from families import FAMILIES, HIDDEN, LAYERS, Family, gates, tokens
from rounding.comparing import assert_equal_but_for_rounding
from safetensors.torch import load_file

from transformers import PreTrainedModel


def disturb(model: torch.nn.Module) -> None:
    """Move every trainable weight, so that a forgotten one shows."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter))


def assert_same(one: PreTrainedModel, other: PreTrainedModel) -> None:
    with torch.no_grad():
        first, second = (model.eval()(input_ids=tokens(), output_router_logits=True) for model in (one, other))
    for name in ("logits", "quality_logits"):  # of weights that lie elsewhere in memory
        assert_equal_but_for_rounding(first[name], second[name], HIDDEN, name)


def test_lora_saves_the_gates_it_trains(family: Family, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    options = {"target_modules": ["q_proj", "v_proj"], "modules_to_save": ["quality_gate"], "task_type": "CAUSAL_LM"}
    model = peft.get_peft_model(family.gated(), peft.LoraConfig(**options)).train()
    model(input_ids=tokens(), labels=tokens(), quality_targets=torch.tensor([0, 1])).loss.backward()
    trained = {name: each for name, each in model.named_parameters() if each.requires_grad}
    assert sum(".quality_gate." in name for name in trained) == LAYERS
    assert all(each.grad is not None for each in trained.values())
    disturb(model)
    model.save_pretrained(tmp_path)
    assert_same(peft.PeftModel.from_pretrained(family.gated(), tmp_path), model)


def test_lora_on_the_gates_themselves(family: Family, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(family.gated(), peft.LoraConfig(target_modules=r".*\.quality_gate\.gate", r=2)).train()
    model(input_ids=tokens(), labels=tokens(), quality_targets=torch.tensor([0, 1])).loss.backward()
    trained = {name: each for name, each in model.named_parameters() if each.requires_grad}
    assert len(trained) == 2 * LAYERS and all(each.grad is not None for each in trained.values())
    disturb(model)
    model.save_pretrained(tmp_path)
    assert_same(peft.PeftModel.from_pretrained(family.gated(), tmp_path), model)


def weights_of(model: PreTrainedModel) -> list[torch.Tensor]:
    """The weights of a model's gates, in the order of its layers."""
    return [gate.gate.weight for gate in gates(model)]


def test_gates_alone_are_saved_and_loaded(family: Family, tmp_path: Path) -> None:
    trained = family.gated()
    disturb(trained.requires_grad_(False))
    for gate in gates(trained):
        gate.gate.weight.data.normal_()
    assert trained.quality_layers() == tuple(range(LAYERS))
    trained.save_quality_gates(tmp_path / "gates")
    saved = load_file(tmp_path / "gates" / "quality_gates.safetensors")
    assert list(saved) == [f"model.layers.{layer}.quality_gate.gate.weight" for layer in range(LAYERS)]
    fresh = family.gated()
    fresh.load_quality_gates(tmp_path / "gates")
    assert_same(fresh, trained)
    for head in ("Model", *family.heads):
        other = family.gated(head)
        other.load_quality_gates(tmp_path / "gates")
        loaded = weights_of(other)
        assert len(loaded) == LAYERS and all(map(torch.equal, loaded, weights_of(trained))), head


def test_gates_of_an_adapted_model_are_the_trained_ones(family: Family, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    options = {"target_modules": ["q_proj"], "modules_to_save": ["quality_gate"]}
    model = peft.get_peft_model(family.gated(), peft.LoraConfig(**options))
    for name, parameter in model.named_parameters():
        if "quality_gate.modules_to_save" in name:
            parameter.data.fill_(7)
    model.save_quality_gates(tmp_path)
    saved = load_file(tmp_path / "quality_gates.safetensors")
    assert list(saved) == [f"model.layers.{layer}.quality_gate.gate.weight" for layer in range(LAYERS)]
    for weight in saved.values():
        assert torch.equal(weight, torch.full((1, HIDDEN), 7.0))


def test_gates_of_another_model_are_refused(family: Family, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        family.gated().load_quality_gates(tmp_path)
    family.gated(hidden_size=64).save_quality_gates(tmp_path / "wide")
    with pytest.raises(ValueError, match=r"model\.layers\.0\..*: its shape is \(1, 64\) in the file, and \(1, 32\)"):
        family.gated().load_quality_gates(tmp_path / "wide")
    family.gated().save_quality_gates(tmp_path / "short")
    more = {"num_hidden_layers": 3, "layer_types": None, "sliding_window": 4}
    with pytest.raises(
        ValueError, match=r"holds 2 gates, the model has 3\. .*layers\.2\..*: it is missing from the file"
    ):
        family.gated(**more).load_quality_gates(tmp_path / "short")


class Wrapped(torch.nn.Module):
    """A layer at another place in the module tree."""

    def __init__(self, block: torch.nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, *args: object, **kwargs: object) -> object:
        return self.block(*args, **kwargs)


def test_gates_are_found_wherever_they_are(family: Family, tmp_path: Path) -> None:
    """As in architectures that name their layers otherwise, and gate only some of them."""
    base, gated = family.pair(quality_gate_init_mean=7)
    expected = gated(input_ids=tokens(), output_router_logits=True).quality_logits
    layers = gated.model.layers
    layers[0], layers[1] = Wrapped(layers[0]), base.model.layers[1]
    outputs = gated(input_ids=tokens(), output_router_logits=True)
    assert len(outputs.quality_logits) == 1 and torch.equal(outputs.quality_logits[0], expected[0])
    assert_equal_but_for_rounding(outputs.quality_loss, expected[0].sigmoid().mean(), HIDDEN)
    gated.save_quality_gates(tmp_path)
    assert list(load_file(tmp_path / "quality_gates.safetensors")) == ["model.layers.0.block.quality_gate.gate.weight"]
    (gate,) = gates(gated)
    weight = gate.gate.weight.detach().clone()
    gate.gate.weight.data.zero_()
    gated.load_quality_gates(tmp_path)
    assert torch.equal(gate.gate.weight, weight)


@pytest.fixture
def original(tmp_path: Path) -> tuple[Path, PreTrainedModel]:
    """A folder as the original project wrote it, and the model that is in it."""
    qwen3 = next(family for family in FAMILIES if family.name == "qwen3")
    model = qwen3.gated(quality_gate_init_mean=1)
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    fields = ("rope_parameters", "quality_gate_mode", "quality_loss_balance", "lambda_var", "w_mean", "w_var")
    for name in (*fields, "beta_target_mean", "beta_target_var", "dtype"):
        config.pop(name)
    config |= {
        "model_type": "quality_gate",
        "architectures": ["QualityGateForCausalLM"],
        "transformers_version": "4.57.3",
        "rope_theta": 10000.0,
        "rope_scaling": None,
        "torch_dtype": "float32",
        "quality_loss_type": "beta",
        "full_sequence_prediction": True,
        "mask_special_tokens": True,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path, model


def test_an_original_checkpoint_loads(original: tuple[Path, PreTrainedModel]) -> None:
    folder, model = original
    loaded, info = type(model).from_pretrained(folder, attn_implementation="sdpa", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert loaded.config.model_type == "quality_gate_qwen3"
    assert loaded.config.quality_loss_type == "linear"  # the only one the original computes
    assert_same(loaded, model)


def test_original_gate_weights_load(original: tuple[Path, PreTrainedModel]) -> None:
    folder, model = original
    weights = {f"model.layers.{layer}.quality_gate.gate.weight": torch.randn(1, 32) for layer in range(LAYERS)}
    saved = {
        "full_rank_weights": weights | {"model.layers.0.other.gate.weight": torch.ones(3)},
        "mode": "parameter",
        "target_patterns": ["quality_gate", ".gate.weight"],
        "tokenizer_saved": False,
    }
    torch.save(saved, folder / "full_rank_weights.pt")
    model.load_quality_gates(folder)
    assert len(loaded := weights_of(model)) == len(weights) == LAYERS
    assert all(map(torch.equal, loaded, weights.values()))
