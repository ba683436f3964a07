"""Checkpoints with gates of another kind than the usual one: attention gates, equal to the base, and taken out again."""

from __future__ import annotations

import filecmp
import json
from pathlib import Path

import pytest
import torch
from checkpoints import cli
from checkpoints.comparing import compare_models
from checkpoints.errors import CheckpointError
from checkpoints.gating import gate_checkpoint
from checkpoints.plan import Options
from checkpoints.ungating import ungate_checkpoint
from facts.project import facts_of
from safetensors.torch import load_file
from tiny_bases import model_of, tiny_base

from generated import register_gates
from transformers import AutoModelForCausalLM


FAMILIES = ("llama", "qwen3", "gemma3", "gpt_oss")
MODES = ("headwise", "elementwise")
EXPERTS = ("olmoe", "mixtral", "qwen3_moe", "gpt_oss")
FILE = "model-attention-gates.safetensors"
SELECT_FILE = "model-select-gates.safetensors"


def save_base(name: str, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    facts = facts_of(name)
    tiny_base(facts, model_of(name, "ForCausalLM")).to(dtype).save_pretrained(folder)
    return folder


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("mode", MODES)
def test_a_gated_checkpoint_equals_its_base_and_goes_back(family: str, mode: str, tmp_path: Path) -> None:
    base, gated, back = save_base(family, tmp_path / "base"), tmp_path / "gated", tmp_path / "back"
    done = gate_checkpoint(base, gated, options=Options(gate="attention", mode=mode))
    config = json.loads((gated / "config.json").read_text())
    assert config["model_type"].startswith(f"attention_gate_{family}")
    assert (config["attention_gate_mode"], config["attention_gate_init"]) == (mode, "identity")
    gates = load_file(gated / FILE)
    assert len(gates) == len(done.plan.gates) == config["num_hidden_layers"]
    rows = config["num_attention_heads"] * (1 if mode == "headwise" else config["head_dim"])
    assert {tuple(gate.shape) for gate in gates.values()} == {(rows, config["hidden_size"])}
    assert not any(gate.any() for gate in gates.values())

    compared = compare_models(base, gated)
    assert compared.passed, [(each.name, each.found) for each in compared.checks if each.passed is False]
    assert {"outputs are equal", "greedy generation is equal"} <= {
        each.name for each in compared.checks if each.passed
    }

    assert ungate_checkpoint(gated, back).removed == len(gates)
    names = sorted(path.name for path in base.iterdir())
    assert sorted(path.name for path in back.iterdir()) == names
    assert all(filecmp.cmp(base / name, back / name, shallow=False) for name in names)


@pytest.fixture(params=EXPERTS)
def mixture(request: pytest.FixtureRequest) -> str:
    return request.param


def test_mixtures_are_gated_open_and_go_back(mixture: str, tmp_path: Path) -> None:
    base, gated, back = save_base(mixture, tmp_path / "base"), tmp_path / "gated", tmp_path / "back"
    done = gate_checkpoint(base, gated, options=Options(gate="select"))
    config, own = (json.loads((folder / "config.json").read_text()) for folder in (gated, base))
    assert (config["model_type"], config["select_gate_init"]) == (f"select_gate_{mixture}", "open")
    assert config["trash_expert_mode"] == "zero" and config["enable_load_balancing"] is False
    assert config["router_aux_loss_coef"] == own["router_aux_loss_coef"]  # the base's own
    gates = load_file(gated / SELECT_FILE)
    assert len(gates) == len(done.plan.gates) > 0
    assert {(tuple(gate.shape), gate.dtype) for gate in gates.values()} == {
        ((1, config["hidden_size"]), torch.float32)
    }

    compared = compare_models(base, gated)
    assert compared.passed, [(each.name, each.found) for each in compared.checks if each.passed is False]
    assert {"outputs are equal", "greedy generation is equal"} <= {
        each.name for each in compared.checks if each.passed
    }
    register_gates()
    model, info = AutoModelForCausalLM.from_pretrained(gated, output_loading_info=True)
    assert type(model).__name__.startswith("SelectGate") and not any(info.values())

    assert ungate_checkpoint(gated, back).removed == len(gates)
    names = sorted(path.name for path in base.iterdir())
    assert sorted(path.name for path in back.iterdir()) == names
    assert all(filecmp.cmp(base / name, back / name, shallow=False) for name in names)


def test_select_gates_are_float32_whatever_the_experts_are(tmp_path: Path) -> None:
    base = save_base("mixtral", tmp_path / "base", torch.bfloat16)
    gate_checkpoint(base, tmp_path / "gated", options=Options(gate="select"))
    assert {gate.dtype for gate in load_file(tmp_path / "gated" / SELECT_FILE).values()} == {torch.float32}
    assert compare_models(base, tmp_path / "gated").passed


def test_a_trained_select_gate_goes_back_from_a_checkpoint_that_was_saved_anew(tmp_path: Path) -> None:
    base = save_base("mixtral", tmp_path / "base")
    gate_checkpoint(base, tmp_path / "gated", options=Options(gate="select"))
    register_gates()
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "gated")
    with torch.no_grad():
        model.model.layers[0].select_gate.gate.weight.fill_(-0.1)
    model.save_pretrained(tmp_path / "trained")
    found = {each.name: each for each in compare_models(base, tmp_path / "trained").checks}
    assert found["gates are as they were drawn"].passed is False and found["outputs are equal"].passed is False
    ungate_checkpoint(tmp_path / "trained", tmp_path / "back")
    config = json.loads((tmp_path / "back" / "config.json").read_text())
    assert config["model_type"] == "mixtral" and not any("gate" in name or "quality" in name for name in config)
    assert "trash_expert_mode" not in config
    ours, theirs = load_file(tmp_path / "back" / "model.safetensors"), load_file(base / "model.safetensors")
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_auto_classes_load_it(family: str, tmp_path: Path) -> None:
    gate_checkpoint(save_base(family, tmp_path / "base"), tmp_path / "gated", options=Options(gate="attention"))
    register_gates()
    model, info = AutoModelForCausalLM.from_pretrained(tmp_path / "gated", output_loading_info=True)
    assert type(model).__name__.startswith("AttentionGate") and not any(info.values())


def test_gates_have_the_type_of_the_other_projections(tmp_path: Path) -> None:
    base = save_base("llama", tmp_path / "base", torch.bfloat16)
    gate_checkpoint(base, tmp_path / "kept", options=Options(gate="attention"))
    assert {gate.dtype for gate in load_file(tmp_path / "kept" / FILE).values()} == {torch.bfloat16}
    gate_checkpoint(base, tmp_path / "cast", options=Options(gate="attention", dtype="float32"))
    assert {gate.dtype for gate in load_file(tmp_path / "cast" / FILE).values()} == {torch.float32}
    assert compare_models(base, tmp_path / "cast").passed


def test_a_trained_gate_is_told_from_one_that_starts(tmp_path: Path) -> None:
    base = save_base("llama", tmp_path / "base")
    gate_checkpoint(base, tmp_path / "gated", options=Options(gate="attention"))
    register_gates()
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "gated")
    with torch.no_grad():
        model.model.layers[0].self_attn.attention_gate.gate.weight.fill_(0.1)
    model.save_pretrained(tmp_path / "trained")
    found = {each.name: each for each in compare_models(base, tmp_path / "trained").checks}
    assert found["gates are as they were drawn"].passed is False and found["outputs are equal"].passed is False
    assert ungate_checkpoint(tmp_path / "trained", tmp_path / "back").removed == 4
    assert compare_models(base, tmp_path / "gated", weights_only=True).passed
    ours, theirs = load_file(tmp_path / "back" / "model.safetensors"), load_file(base / "model.safetensors")
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("first", ["quality", "attention", "select"])
@pytest.mark.parametrize("second", ["quality", "attention", "select"])
def test_what_is_gated_is_refused_by_name(first: str, second: str, tmp_path: Path) -> None:
    gate_checkpoint(save_base("gpt_oss", tmp_path / "base"), tmp_path / "gated", options=Options(gate=first))
    with pytest.raises(CheckpointError, match=rf"gated already \({first}_gate_gpt_oss\)"):
        gate_checkpoint(tmp_path / "gated", tmp_path / "again", options=Options(gate=second))
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gate", "atention"], "did you mean --gate attention?"),
        (["--gate", "attention", "--init-std", "0.1"], "say how quality gates are drawn"),
        (["--gate", "attention", "--mode", "rowwise"], "`attention_gate_mode` is 'rowwise'"),
        (["--mode", "rowwise"], "quality gates are made in one mode"),
        (["--gate", "selection"], "did you mean --gate select?"),
        (["--gate", "select"], "no gated architecture is known for the model type 'llama'"),
        (["--gate", "attention", "--model", "qwen3"], "belongs to the gated llama, not to qwen3"),
    ],
)
def test_what_makes_no_sense_is_refused(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = save_base("llama", tmp_path / "base")
    status = cli.gate(["--base", str(base), "--output", str(tmp_path / "gated"), *options])
    assert status == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "gated").exists()


def test_a_base_that_no_attention_gate_is_made_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"known: gemma3, gpt_oss, llama, qwen3") as refused:
        gate_checkpoint(save_base("mistral", tmp_path / "base"), tmp_path / "gated", options=Options(gate="attention"))
    assert "utils/modular_converter.py --gate attention" in str(refused.value)
