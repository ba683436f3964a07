"""Comparisons: each check fails for what it is there to find."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from bases import GATES, HIDDEN, LAYERS, llama_tensors, make_base, make_sharded_base, read_index, write_index
from checkpoints import CheckpointError, Options, compare_models, gate_checkpoint
from checkpoints.cli import compare
from checkpoints.hub import find_folder, named_gguf
from safetensors.numpy import load_file, save_file

from transformers import PreTrainedTokenizerFast


UTILS = Path(__file__).parents[2] / "utils"
GATES_FILE = "model-quality-gates.safetensors"


def pair(folder: Path, **options: object) -> tuple[Path, Path]:
    base = make_sharded_base(folder / "base")
    gate_checkpoint(base, folder / "gated", options=Options(link="copy", **options))
    return base, folder / "gated"


def failed(base: Path, gated: Path, **more: object) -> set[str]:
    return {check.name for check in compare_models(base, gated, **more).checks if check.passed is False}


def change(folder: Path, name: str, new: Callable[[np.ndarray], np.ndarray | None]) -> None:
    """Replace a tensor, or take it away."""
    file = folder / read_index(folder)[name]
    tensors = load_file(file)
    value = new(tensors.pop(name))
    if value is None:
        write_index(folder, {key: place for key, place in read_index(folder).items() if key != name})
    else:
        tensors[name] = value
    save_file(tensors, file)


def change_config(folder: Path, **fields: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | fields))


def nudge(array: np.ndarray) -> np.ndarray:
    """The smallest change of one number."""
    array = array.copy()
    array.flat[-1] = np.nextafter(array.flat[-1], np.float32(9))
    return array


FILES = "files are those of the manifest"
NORM = "model.norm.weight"
WRONG = {
    "a weight nudged": (lambda gated: change(gated, NORM, nudge), {FILES, "base tensors are equal"}),
    "a weight of another shape": (
        lambda gated: change(gated, NORM, lambda old: old[:4]),
        {FILES, "base tensors are equal"},
    ),
    "a weight of another type": (
        lambda gated: change(gated, NORM, lambda old: old.astype(np.int32)),
        {FILES, "base tensors are equal"},
    ),
    "a weight missing": (lambda gated: change(gated, NORM, lambda _: None), {FILES, "base tensors are present"}),
    "a gate missing": (lambda gated: change(gated, GATES[1], lambda _: None), {FILES, "a gate in every layer"}),
    "a gate too wide": (
        lambda gated: change(gated, GATES[1], lambda old: np.concatenate([old, old], 1)),
        {FILES, "a gate in every layer"},
    ),
    "gates of another mean": (
        lambda gated: [change(gated, gate, lambda old: old + 0.05) for gate in GATES],
        {FILES, "gates are as they were drawn"},
    ),
    "gates of another spread": (
        lambda gated: [change(gated, gate, lambda old: old * 4) for gate in GATES],
        {FILES, "gates are as they were drawn"},
    ),
    "gates all zero": (
        lambda gated: [change(gated, gate, np.zeros_like) for gate in GATES],
        {FILES, "gates are as they were drawn"},
    ),
    "a gate no number": (
        lambda gated: change(gated, GATES[0], lambda old: old * np.nan),
        {FILES, "gates are as they were drawn"},
    ),
    "another configured spread": (
        lambda gated: change_config(gated, quality_gate_init_std=0.1),
        {FILES, "gates are as they were drawn"},
    ),
    "a file lost": (lambda gated: (gated / "tokenizer.json").unlink(), {FILES}),
    "a file changed": (lambda gated: (gated / "tokenizer.json").write_text("{}"), {FILES}),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_found(case: str, tmp_path: Path) -> None:
    spoil, checks = WRONG[case]
    base, gated = pair(tmp_path)
    assert failed(base, gated, weights_only=True) == set()
    spoil(gated)
    assert failed(base, gated, weights_only=True) == checks


def test_tensors_besides_gates_are_found(tmp_path: Path) -> None:
    base, gated = pair(tmp_path)
    tensors = load_file(gated / GATES_FILE) | {"model.layers.0.other.weight": np.zeros(2, np.float32)}
    save_file(tensors, gated / GATES_FILE)
    write_index(gated, read_index(gated) | {"model.layers.0.other.weight": GATES_FILE})
    assert "extra tensors are gates" in failed(base, gated, weights_only=True)


def test_a_checkpoint_without_gates_fails(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    names = failed(base, base, weights_only=True)
    assert {"extra tensors are gates", "a gate in every layer", "gates are as they were drawn"} == names


def test_gates_within_chance_pass_and_a_hundredth_more_does_not(tmp_path: Path) -> None:
    """With many weights, five sigma are a narrow band."""
    width = 4096
    tensors = {name: array for name, array in llama_tensors().items() if ".layers." not in name}
    for layer in range(LAYERS):
        tensors[f"model.layers.{layer}.post_attention_layernorm.weight"] = np.ones(width, np.float32)
        tensors[f"model.layers.{layer}.self_attn.q_proj.weight"] = np.ones((1, width), np.float32)
    base = make_base(tmp_path / "base", tensors, hidden_size=width)
    gate_checkpoint(base, tmp_path / "gated", options=Options(init_mean=0.3, init_std=0.5))
    assert failed(base, tmp_path / "gated", weights_only=True) == set()
    change_config(tmp_path / "gated", quality_gate_init_mean=0.33)
    assert "gates are as they were drawn" in failed(base, tmp_path / "gated", weights_only=True)
    change_config(tmp_path / "gated", quality_gate_init_mean=0.3, quality_gate_init_std=0.52)
    assert "gates are as they were drawn" in failed(base, tmp_path / "gated", weights_only=True)


def test_trained_gates_are_not_held_to_how_they_began(tmp_path: Path) -> None:
    base, gated = pair(tmp_path)
    for gate in GATES:
        change(gated, gate, lambda old: old + 1)
    (gated / "quality_gate_manifest.json").unlink()
    assert failed(base, gated, weights_only=True) == {"gates are as they were drawn"}
    assert failed(base, gated, trained=True) == set()


def test_models_that_compute_something_else_are_found(tmp_path: Path) -> None:
    """Equal weights under another configuration: only running them shows it."""
    base, gated = pair(tmp_path)
    change_config(gated, rms_norm_eps=0.5)
    assert failed(base, gated, weights_only=True) == {FILES}
    assert failed(base, gated) >= {FILES, "outputs are equal"}
    assert failed(base, gated, dtype="bfloat16") >= {FILES, "outputs are equal"}


def test_weights_that_are_not_loaded_are_found(tmp_path: Path) -> None:
    base, gated = pair(tmp_path)
    tensors = load_file(gated / GATES_FILE) | {"model.layers.0.other.weight": np.zeros(2, np.float32)}
    save_file(tensors, gated / GATES_FILE)
    write_index(gated, read_index(gated) | {"model.layers.0.other.weight": GATES_FILE})
    assert "the gated model loads completely" in failed(base, gated)


def test_gates_that_scale_are_compared_as_if_they_observed(tmp_path: Path) -> None:
    base, gated = pair(tmp_path)
    change_config(gated, quality_gate_mode="scale_ffn")
    assert failed(base, gated) == {FILES}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_compared_within_one_rounding(dtype: str, tmp_path: Path) -> None:
    base, gated = pair(tmp_path)
    result = compare_models(base, gated, dtype=dtype)
    assert result.passed
    found = next(check.found for check in result.checks if check.name == "outputs are equal")
    assert "largest difference 0, allowed " in found and not found.endswith("allowed 0")


def test_a_text_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import tokenizers

    words = {f"word{number}": number for number in range(16)}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="word0"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    base = make_base(tmp_path / "base")
    PreTrainedTokenizerFast(tokenizer_object=made, unk_token="word0").save_pretrained(base)
    gate_checkpoint(base, tmp_path / "gated")
    text = tmp_path / "text.txt"
    text.write_text("word1 word2 word3 word4 word5")
    command = ["--base", str(base), "--gated", str(tmp_path / "gated"), "--text", str(text)]
    assert compare(command) == 0
    assert "logits [1, 5, 16]" in capsys.readouterr().out
    text.write_text("  \n")
    assert compare(command) == 2
    assert "is empty; fix: give a file with some text" in capsys.readouterr().err


def test_the_command_prints_a_table_or_json_and_sets_its_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, gated = pair(tmp_path)
    command = ["--base", str(base), "--gated", str(gated)]
    assert compare(command) == 0
    said = capsys.readouterr().out
    assert said.endswith(f"{gated} is equal to its base\n") and "greedy generation is equal" in said
    assert compare([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] is True and len(found["checks"]) == 11
    change(gated, NORM, nudge)
    assert compare([*command, "--weights-only"]) == 1
    said = capsys.readouterr().out
    assert "1 differ: model.norm.weight (values)" in said and said.endswith("is NOT equal to its base\n")
    assert compare([*command, "--weights-only", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (
        found["passed"] is False
        and {"name": "base tensors are present", "passed": True, "found": "all 30"} in found["checks"]
    )


def test_weights_are_compared_without_torch(tmp_path: Path) -> None:
    base, gated = pair(tmp_path)
    code = (
        "import sys; from checkpoints.cli import compare; status = compare(sys.argv[1:]);"
        "sys.exit(status or bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, "--base", base, "--gated", gated, "--weights-only"]
    done = subprocess.run(command, env={"PYTHONPATH": str(UTILS)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_model_is_in_memory_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import weakref

    import checkpoints.running as running

    base, gated = pair(tmp_path)
    load, alive = running._load, []

    def watch(*given: object) -> tuple:
        assert not [model for model in alive if model() is not None]
        model, unloaded = load(*given)
        alive.append(weakref.ref(model))
        return model, unloaded

    monkeypatch.setattr(running, "_load", watch)
    assert compare_models(base, gated).passed and len(alive) == 2


def test_an_unknown_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="--dtype: is 'float8'"):
        compare_models(tmp_path, tmp_path, dtype="float8")


def test_scores_are_counted(tmp_path: Path) -> None:
    base, gated = pair(tmp_path)
    checks = {check.name: check.found for check in compare_models(base, gated).checks}
    assert checks["every gate scores every token"] == f"{LAYERS} of [2, 16, 1]"
    assert checks["a gate in every layer"] == f"{LAYERS} of {LAYERS}, of shape [1, {HIDDEN}]"
    assert torch.finfo(torch.bfloat16).eps > 0


def test_swapped_arguments_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, gated = pair(tmp_path)
    assert compare(["--base", str(gated), "--gated", str(base)]) == 2
    said = capsys.readouterr().err
    assert "is the gated checkpoint" in said and f"--base {base} --gated {gated}" in said


def test_a_gguf_file_is_a_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.touch()
    assert find_folder(file) == tmp_path
    assert named_gguf(file) == "model.gguf" and named_gguf(tmp_path) == named_gguf(tmp_path / "none.gguf") == ""
    (tmp_path / "other.gguf").touch()
    assert find_folder(file) == tmp_path
