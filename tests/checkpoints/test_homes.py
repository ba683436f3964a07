"""Architectures that a user made in folders of their own: every tool on checkpoints finds them, and nothing else is run."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from checkpoints import CheckpointError, homes
from checkpoints.cli import compare, gate, ungate
from checkpoints.homes import find_homes, import_package
from checkpoints.loading import load_gated
from gating.cli import main as convert
from selection_models import SIZES, byte_tokenizer, texts, write_lines
from viewing.cli import main as view

from transformers import MistralConfig, MistralForCausalLM


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's: `made/` has two gated Mistrals that were converted there, of which one kind is nowhere else; `base`."""
    here = tmp_path_factory.mktemp("user")
    torch.manual_seed(0)
    MistralForCausalLM(MistralConfig(**SIZES)).save_pretrained(here / "base")
    byte_tokenizer().save_pretrained(here / "base")
    places = ["--modular", str(here / "modular"), "--generated", str(here / "made"), "--quiet"]
    assert convert(["--gate", "attention", "--model", "mistral", *places]) == 0
    assert convert(["--model", "mistral", *places]) == 0
    return here


def of_attention(folder: Path, output: Path) -> list[str]:
    return ["--base", str(folder / "base"), "--output", str(output), "--gate", "attention"]


def test_gates_that_come_with_no_tool_are_gated_compared_viewed_and_removed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    made, gated = ["--generated", "made"], str(tmp_path / "gated")
    assert gate(of_attention(folder, Path(gated))) == 2
    assert "--generated DIR" in capsys.readouterr().err
    assert gate([*of_attention(folder, Path(gated)), *made]) == 0
    assert json.loads((tmp_path / "gated" / "config.json").read_text())["model_type"] == "attention_gate_mistral"
    both = ["--base", str(folder / "base"), "--gated", gated]
    assert compare([*both, *made]) == 0, capsys.readouterr().out
    capsys.readouterr()
    assert compare(both) == 2
    assert "name that: --generated DIR" in capsys.readouterr().err
    assert view(["--model", gated, "--text", "the gates", *made, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["panels"][0]["scores"]
    assert ungate(["--gated", gated, "--output", str(tmp_path / "again"), *made]) == 0
    weights = "model.safetensors"
    assert (tmp_path / "again" / weights).read_bytes() == (folder / "base" / weights).read_bytes()


def test_a_users_own_comes_before_what_comes_with_the_tools(folder: Path, tmp_path: Path) -> None:
    made = folder / "made"
    command = ["--base", str(folder / "base"), "--output", str(tmp_path / "gated"), "--generated", str(made)]
    assert gate([*command, "--export-code"]) == 0
    model, _ = load_gated(tmp_path / "gated", generated=made)
    assert Path(sys.modules[type(model).__module__].__file__).is_relative_to(made)
    model, _ = load_gated(tmp_path / "gated")
    assert type(model).__module__.startswith("generated.quality_gate_mistral.")


def test_gates_of_a_users_are_trained_and_score(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    from selection.score_cli import main as score
    from selection.train_cli import main as train

    empty = tmp_path / "nothing"
    empty.mkdir()
    monkeypatch.setattr(homes, "OURS", (empty,))  # no gated Mistral comes with the tools
    data = str(write_lines(tmp_path / "data.jsonl", [{"text": each} for each in texts(4)]))
    made = ["--generated", str(folder / "made")]
    base, run = str(folder / "base"), str(tmp_path / "run")
    assert train(["--model", base, "--data", data, "--output", run, "--max-steps", "1"]) == 2
    shutil.rmtree(run, ignore_errors=True)
    assert train(["--model", base, "--data", data, "--output", run, "--max-steps", "1", *made]) == 0
    assert score(["--model", run, "--data", data, "--output", str(tmp_path / "scores"), *made]) == 0


def test_a_folder_without_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no gated models"):
        find_homes(tmp_path)


def test_what_the_tools_have_written_is_found_but_not_inside_a_checkpoint(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an installed package, `generated/` of the folder that it is started in; a stranger's may lie in a checkpoint."""
    monkeypatch.setattr(homes, "PROJECT", tmp_path)
    assert find_homes() == homes.OURS
    shutil.copytree(folder / "made", tmp_path / "generated")
    assert find_homes() == (tmp_path / "generated", *homes.OURS)
    assert find_homes(checkpoint=tmp_path / "other") == (tmp_path / "generated", *homes.OURS)
    assert find_homes(checkpoint=tmp_path) == homes.OURS
    assert find_homes(tmp_path / "generated", checkpoint=tmp_path) == (tmp_path / "generated", *homes.OURS)


def test_folders_of_one_name_are_two(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "made"
    shutil.copytree(folder / "made", other)
    name = "attention_gate_mistral"
    one, two = import_package(folder / "made" / name), import_package(other / name)
    assert one is not two and one is import_package(folder / "made" / name)
    assert one.__name__ != two.__name__
