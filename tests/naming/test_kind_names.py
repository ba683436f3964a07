"""What follows from the name of a kind of gate."""

from __future__ import annotations

import pytest
from naming.kinds import MEANT, GateNames, is_gated, kind_of, ungated


def test_all_names_follow_from_the_kind() -> None:
    names = GateNames("attention")
    assert (names.attribute, names.family, names.prefix) == ("attention_gate", "attention_gate_", "AttentionGate")
    assert (names.mark, names.weight) == (".attention_gate.", "attention_gate.gate.weight")
    assert names.field("init_mean") == "attention_gate_init_mean"


@pytest.mark.parametrize(
    ("package", "kind"),
    [
        ("attention_gate_llama", "attention"),
        ("quality_gate_qwen3_moe", "quality"),
        ("memory_gate_x", "memory"),
        ("llama", MEANT.kind),
        ("attention_gate_", MEANT.kind),
        ("my_attention_gate_llama", MEANT.kind),
    ],
)
def test_a_package_says_its_kind(package: str, kind: str) -> None:
    assert kind_of(package) == GateNames(kind)


@pytest.mark.parametrize(
    ("model_type", "gated"),
    [
        ("quality_gate_llama", True),
        ("select_gate_olmoe", True),
        ("quality_gate", True),
        ("llama", False),
        ("attention_gate", False),
        (None, False),
        (3, False),
        ("quality_gate_", False),
    ],
)
def test_a_type_says_whether_it_is_gated(model_type: object, gated: bool) -> None:
    assert is_gated(model_type) is gated


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("AttentionGateLlamaModel", "LlamaModel"),
        ("QualityGateQualityGateModel", "QualityGateModel"),
        ("LlamaModel", "LlamaModel"),
        ("QualityGate", "QualityGate"),
        ("LlamaQualityGateModel", "LlamaQualityGateModel"),
    ],
)
def test_a_class_without_its_gate(name: str, base: str) -> None:
    assert ungated(name) == base


@pytest.mark.parametrize("kind", ["quality", "attention", "select", "memory"])
def test_weights_of_gates_are_told_from_those_of_the_base(kind: str) -> None:
    names = GateNames(kind)
    assert names.owns(f"model.layers.0.{names.weight}") and names.owns(names.weight)
    assert not names.owns("model.layers.0.mlp.gate.weight") and not names.owns(f"model.un{names.weight}")


def test_a_memory_has_more_weights_than_its_gate_and_a_bank() -> None:
    names, other = GateNames("memory"), GateNames("quality")
    for weight in ("memory_norm.weight", "gated_memory_fusion.down_proj.weight", "memory.memory_bank"):
        assert names.owns(f"model.layers.3.{weight}") and not other.owns(f"model.layers.3.{weight}")
    assert (names.bank, other.bank) == ("memory.memory_bank", "")
    assert other.zeros == () and all(names.owns(f"model.layers.3{part}") for part in names.zeros)


def test_where_models_start_as_their_base_and_in_which_type() -> None:
    assert [dict(GateNames(kind).start) for kind in ("quality", "attention", "select", "memory")] == [
        {},
        {"attention_gate_init": "identity"},
        {"select_gate_init": "open"},
        {},
    ]
    assert [GateNames(kind).is_float32 for kind in ("quality", "select", "memory", "attention")] == [
        True,
        True,
        True,
        False,
    ]
