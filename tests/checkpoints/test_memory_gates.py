"""Checkpoints with memory gates: equal to their base, with empty rows and with a bank; and taken out again."""

from __future__ import annotations

import ast
import filecmp
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints.architectures import find_architecture, is_gate_field
from checkpoints.comparing import compare_models
from checkpoints.gating import gate_checkpoint
from checkpoints.plan import Options
from checkpoints.ungating import ungate_checkpoint
from facts.project import facts_of
from memory.building import build_bank
from memory.encoding import digest_of
from memory.gate_cli import main as gate
from memory.opening import open_bank
from memory.values import Shape
from naming.kinds import GateNames
from safetensors.torch import load_file
from tiny_bases import model_of, tiny_base

from generated import register_gates
from transformers import AutoModelForCausalLM


sys.path.append(str(Path(__file__).parents[1] / "memory"))

from memory_models import byte_tokenizer, write_records  # noqa: E402


MEMORY = GateNames("memory")
FILE = "model-memory-gates.safetensors"
BANK = "model.memory.memory_bank"
SMALL = ("--set", "knowledge_num=16", "--set", "knowledge_length=8", "--set", "num_candidates=4")


def save_base(name: str, folder: Path, **fields: object) -> Path:
    facts = facts_of(name)
    tiny_base(facts, model_of(name, "ForCausalLM"), **fields).save_pretrained(folder)
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save_base("llama", tmp_path / "base")


def gated(base: Path, *words: str, small: tuple[str, ...] = SMALL) -> Path:
    output = base.with_name("gated")
    assert gate(["--base", str(base), "--output", str(output), "--gate", "memory", *small, *words, "-q"]) == 0
    return output


def assert_equal(base: Path, folder: Path) -> None:
    compared = compare_models(base, folder)
    assert compared.passed, [(each.name, each.found) for each in compared.checks if each.passed is False]
    found = {each.name for each in compared.checks if each.passed}
    assert {"gates and their bank", "gates are as they were drawn", "outputs are equal"} <= found
    assert {"greedy generation is equal", "every gate scores every token"} <= found


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize("design", ["content", "original"])
def test_it_equals_its_base_loads_and_goes_back(family: str, design: str, tmp_path: Path) -> None:
    base = save_base(family, tmp_path / "base")
    folder = gated(base, "--set", f"memory_design={design}")
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == f"memory_gate_{family}" and config["memory_design"] == design
    assert (config["knowledge_num"], config["knowledge_length"], config["zero_init_fusion"]) == (16, 8, True)
    assert_equal(base, folder)

    register_gates()
    model, info = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert type(model).__name__.startswith("MemoryGate") and not any(info.values())
    assert model.memory_bank.dtype == torch.int64 and model.memory_bank.shape == (16, 8)
    assert (model.memory_bank == config["memory_pad_token_id"]).all()

    written = load_file(folder / FILE)
    assert set(written) == {
        name for name, _ in (*model.named_parameters(), *model.named_buffers()) if MEMORY.owns(name)
    }
    assert {each.dtype for name, each in written.items() if name != BANK} == {torch.float32}
    layers = {int(name.split(".")[2]) for name in written if ".gated_memory_fusion." in name}
    assert len(layers) == (config["num_hidden_layers"] if design == "original" else 1)

    back = tmp_path / "back"
    assert ungate_checkpoint(folder, back).removed == len(written)
    names = sorted(path.name for path in base.iterdir())
    assert sorted(path.name for path in back.iterdir()) == names
    assert all(filecmp.cmp(base / name, back / name, shallow=False) for name in names)


@pytest.mark.parametrize("design", ["content", "original"])
def test_new_gates_are_as_the_model_starts_them(design: str, base: Path, tmp_path: Path) -> None:
    folder = gated(base, "--set", f"memory_design={design}", "--set", "memory_null_similarity=0.6")
    written = load_file(folder / FILE)
    named = {name.split(".", 3)[-1] if name != BANK else BANK for name in written}
    norms = [each for name, each in written.items() if name.endswith("norm.weight")]
    assert norms and all((each == 1).all() for each in norms)
    silent = {"gated_memory_fusion.gain"} if design == "content" else {"gated_memory_fusion.down_proj.weight"}
    if design == "content":
        silent |= {
            "gated_memory_fusion.silent_key",
            "memory_gate.row_weights.weight",
            "memory_gate.query_weights.weight",
        }
    assert silent <= named
    told = {"memory_gate.null_similarity": 0.6, "gated_memory_fusion.alpha_slope": 10.0}
    for name, each in written.items():
        part = name.split(".", 3)[-1]
        if part in silent:
            assert not each.any(), name
        elif part in told:
            assert each.item() == pytest.approx(told[part])
        elif each.is_floating_point() and each.ndim > 1:
            assert each.mean().abs() < 0.01 and 0.01 < each.std() < 0.15, name  # drawn

    fields = {"memory_design": design, "knowledge_num": 16, "knowledge_length": 8, "num_candidates": 4}
    again = gate_checkpoint(base, tmp_path / "again", options=Options("memory", fields=fields))
    other = gate_checkpoint(base, tmp_path / "other", options=Options("memory", seed=7, fields=fields))
    drawn = next(name for name in written if name.endswith("proj.weight") or name.endswith("projection.weight"))
    first, second = (load_file(done.plan.output / FILE)[drawn] for done in (again, other))
    assert torch.equal(written[drawn], first) and not torch.equal(first, second)


def bank_of(folder: Path, backwards: bool = False) -> Path:
    """A bank of three sentences, of 16 rows of 8 tokens."""
    data = write_records(folder / "facts.jsonl", [{"sentence": f"Fact {number}."} for number in range(3)])
    tokenizer = byte_tokenizer(backwards)
    name = "backwards" if backwards else "forwards"
    shape = Shape(16, 8, 0, 258, 3, tokenizer=name, digest=digest_of(tokenizer))
    build_bank([data], folder / "bank", tokenizer, shape)
    return folder / "bank"


@pytest.fixture
def reading(tmp_path: Path) -> Path:
    """A base with a tokenizer."""
    base = save_base("llama", tmp_path / "base", vocab_size=258, pad_token_id=0)
    byte_tokenizer().save_pretrained(base)
    return base


def test_its_rows_are_those_of_a_bank(reading: Path, tmp_path: Path) -> None:
    folder = gated(reading, "--bank", str(bank_of(tmp_path)))
    rows = load_file(folder / FILE)[BANK]
    assert byte_tokenizer().decode(rows[1], skip_special_tokens=True) == "Fact 1."
    assert rows[:3].any(1).all() and not rows[3:].any()
    assert_equal(reading, folder)

    open_bank(folder).edit({1: "New."}, "a test", frozen=True)
    assert byte_tokenizer().decode(load_file(folder / FILE)[BANK][1], skip_special_tokens=True) == "New."
    kept = {path.name for path in folder.iterdir()}
    assert "memory_log.jsonl" in kept
    ungate_checkpoint(folder, tmp_path / "back")
    assert {path.name for path in (tmp_path / "back").iterdir()} == {path.name for path in reading.iterdir()}

    second = tmp_path / "second"
    words = ["--base", str(reading), "--output", str(second), "--gate", "memory", *SMALL, "--bank", str(folder)]
    assert gate(words) == 0
    assert torch.equal(load_file(second / FILE)[BANK], load_file(folder / FILE)[BANK])


def test_a_checkpoint_that_was_saved_anew_goes_back(base: Path, tmp_path: Path) -> None:
    folder = gated(base)
    register_gates()
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        next(each for name, each in model.named_parameters() if name.endswith("gain")).fill_(0.1)
    model.save_pretrained(tmp_path / "trained")
    found = {each.name: each for each in compare_models(base, tmp_path / "trained").checks}
    assert found["gates are as they were drawn"].passed is False and found["gates and their bank"].passed
    assert ungate_checkpoint(tmp_path / "trained", tmp_path / "back").removed == len(load_file(folder / FILE))
    ours, theirs = load_file(tmp_path / "back" / "model.safetensors"), load_file(base / "model.safetensors")
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)
    own = json.loads((tmp_path / "back" / "config.json").read_text())
    assert not [name for name in own if is_gate_field(name, MEMORY)]


def test_an_interrupt_leaves_nothing_half_done(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--base", str(base), "--output", str(base.with_name("gated")), "--gate", "memory", *SMALL]
    with monkeypatch.context() as patched:

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr("checkpoints.gating.started_gates", interrupted)
        assert gate(words) == 130
    assert not base.with_name("gated").exists()
    assert gate(words) == 0
    assert sorted(path.name for path in base.parent.iterdir()) == ["base", "gated"]
    assert gate(words) == 0  # it was there


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "knowlege_num=16"], "did you mean knowledge_num?"),
        (["--set", "knowledge_num=17"], "`knowledge_num` is 17, but must be a square number"),
        (["--set", "knowledge_dim=7"], "`knowledge_dim` is 7, but must be even"),
        (["--set", "memory_layers=[99]"], "`memory_layers` names the layer 99"),
        (["--set", "memory_design=both"], "`memory_design` is 'both'"),
        (["--set", "knowledge_num=many"], "--set: makes no MemoryGateLlamaConfig"),
        (["--set", "knowledge_num"], "'knowledge_num' names no field and its value"),
        (["--set", "knowledge_num=16", "--set", "knowledge_num=25"], "gives a field a second time"),
        (["--set", "zero_init_fusion=false"], "a gated checkpoint starts as its base is"),
        (["--set", "hidden_size=64"], "has no field of gates `hidden_size`"),
        (["--set", "use_memory=false"], "without gates"),
        (["--init-std", "0.1"], "say how quality gates are drawn"),
        (["--bank", "nowhere"], "nowhere"),
    ],
)
def test_what_makes_no_sense_is_refused(
    words: list[str], said: str, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = base.with_name("gated")
    assert gate(["--base", str(base), "--output", str(output), "--gate", "memory", *words]) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1 and "; fix: " in told
    assert [path.name for path in base.parent.iterdir()] == ["base"]


@pytest.mark.parametrize(
    ("backwards", "words", "said"),
    [
        (True, SMALL, "was built with the tokenizer of backwards, and this is that of base"),
        (
            False,
            (*SMALL[:2], *SMALL[4:], "--set", "knowledge_length=9"),
            "`knowledge_length` is 8, and the model's is 9",
        ),
        (False, ("--set", "knowledge_num=25", *SMALL[2:]), "`knowledge_num` is 16, and the model's is 25"),
    ],
)
def test_a_bank_that_does_not_fit_is_refused(
    backwards: bool, words: tuple[str, ...], said: str, reading: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bank, output = bank_of(reading.parent, backwards=backwards), reading.with_name("gated")
    capsys.readouterr()
    line = ["--base", str(reading), "--output", str(output), "--gate", "memory", *words, "--bank", str(bank)]
    assert gate(line) == 2 and said in capsys.readouterr().err
    assert not output.exists()


def test_a_bank_is_of_memory_gates_alone(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--base", str(base), "--output", str(base.with_name("gated")), "--bank", "bank"]
    assert gate(line) == 2 and "--bank: these gates read no bank" in capsys.readouterr().err
    assert not base.with_name("gated").exists()


def test_fields_of_other_kinds_are_set_and_checked(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = base.with_name("gated")
    line = ["--base", str(base), "--output", str(output), "--set"]
    assert gate([*line, "quality_loss_weight=0.3"]) == 0
    assert json.loads((output / "config.json").read_text())["quality_loss_weight"] == 0.3
    capsys.readouterr()
    assert gate([*line, "quality_loss_wait=0.3"]) == 2
    assert "did you mean quality_loss_weight?" in capsys.readouterr().err
    assert gate([*line, "quality_gate_init_std=0.3"]) == 2 and "how gates start" in capsys.readouterr().err


def test_the_fields_are_those_of_the_kind(base: Path) -> None:
    project = Path(__file__).resolve().parents[2]
    tree = ast.parse((project / "modular/gates/memory/configuration.py").read_text(encoding="utf-8"))
    own = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "MemoryGateConfig")
    named = [node.target.id for node in own.body if isinstance(node, ast.AnnAssign)]
    architecture = find_architecture(base, {"model_type": "llama"}, names=MEMORY)
    assert sorted(architecture.gate_defaults) == sorted(named)


def test_what_is_a_gates_and_what_is_not() -> None:
    names = ("memory_norm.weight", "memory_gate.keys", "gated_memory_fusion.down_proj.0.weight")
    assert all(MEMORY.owns(f"model.layers.3.{name}") for name in names)
    assert MEMORY.owns("memory.memory_bank") and MEMORY.owns("model.language_model.memory.memory_bank")
    others = ("model.layers.3.mlp.down_proj.weight", "model.norm.weight", "model.memory_banks.weight")
    assert not any(map(MEMORY.owns, others))
    assert GateNames("quality").owns("layers.0.quality_gate.gate.weight")
    assert not GateNames("quality").owns("memory.memory_bank")


def test_rows_are_written_some_at_a_time() -> None:
    from checkpoints.banks import PlannedBank
    from checkpoints.headers import Tensor

    bank = PlannedBank(Tensor(BANK, "I64", (10_000, 2)), 3)
    chunks = list(bank.chunks())
    assert len(chunks) == 3 and sum(map(len, chunks)) == bank.tensor.size
    assert (np.frombuffer(b"".join(chunks), "<i8") == 3).all()
