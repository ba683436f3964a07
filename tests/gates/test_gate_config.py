"""Gate fields of the configurations: defaults, types, what is refused, and what survives saving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from families import Family


DEFAULTS = {
    "quality_gate_init_mean": 0.0,
    "quality_gate_init_std": 0.02,
    "quality_gate_mode": "observe",
    "quality_loss_weight": 0.5,
    "quality_loss_type": "linear",
    "quality_loss_balance": 1.0,
    "sample_wise_averaging": True,
    "beta_target_mean": 0.5,
    "beta_target_var": 0.05,
    "w_mean": 1.0,
    "w_var": 1.0,
    "lambda_var": 0.1,
    "quality_loss_debug": False,
    "output_quality_logits": False,
}
NUMBERS = [name for name, value in DEFAULTS.items() if isinstance(value, float)]


def test_defaults(family: Family) -> None:
    config = family.gated_class("Config")()
    assert {name: getattr(config, name) for name in DEFAULTS} == DEFAULTS
    assert config.model_type == f"quality_gate_{family.name}" + ("_text" if family.name == "gemma3" else "")


@pytest.mark.parametrize("name", NUMBERS)
def test_whole_numbers_are_numbers(family: Family, name: str) -> None:
    value = 0 if name == "beta_target_var" else 1
    assert getattr(family.config(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("quality_loss_type", "liner", "one of linear, sigmoid, mse, beta_moment_matching"),
        ("quality_gate_mode", "scale", "one of observe, scale_ffn"),
        ("quality_gate_init_std", -0.1, "from 0 to inf"),
        ("quality_gate_init_mean", float("nan"), "a number"),
        ("quality_loss_weight", -1, "from 0 to inf"),
        ("quality_loss_weight", float("inf"), "from 0 to inf"),
        ("quality_loss_balance", 2.5, "from 0 to 2"),
        ("quality_loss_balance", -0.5, "from 0 to 2"),
        ("beta_target_mean", 1.5, "from 0 to 1"),
        ("beta_target_var", 0.3, "from 0 to 0.25"),
        ("w_mean", -1, "from 0 to inf"),
        ("w_var", -1, "from 0 to inf"),
        ("lambda_var", -1, "from 0 to inf"),
    ],
)
def test_values_out_of_range_are_refused(family: Family, name: str, value: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=rf"`{name}` is .*{value}.*{allowed}"):
        family.config(**{name: value})


def test_values_set_later_are_refused_when_the_model_is_built(family: Family) -> None:
    config = family.config()
    config.quality_gate_mode = "scale"
    with pytest.raises(ValueError, match="`quality_gate_mode` is 'scale'"):
        family.gated_class("ForCausalLM")(config)


def test_saving_keeps_every_field(family: Family, tmp_path: Path) -> None:
    fields = {
        name: 0.125 if isinstance(value, float) else value if isinstance(value, str) else not value
        for name, value in DEFAULTS.items()
    }
    config = family.config(**fields)
    config.save_pretrained(tmp_path)
    again = family.gated_class("Config").from_pretrained(tmp_path)
    assert {name: getattr(again, name) for name in DEFAULTS} == fields
    assert again.to_dict() == config.to_dict()


def test_the_bases_configuration_becomes_a_gated_one(family: Family, tmp_path: Path) -> None:
    family.base_config(tie_word_embeddings=True).save_pretrained(tmp_path)
    config = family.gated_class("Config").from_pretrained(tmp_path, quality_loss_weight=2)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] != config.model_type
    assert config.model_type == type(config).model_type == config.to_dict()["model_type"]
    assert config.hidden_size == 32 and config.tie_word_embeddings and config.quality_loss_weight == 2
