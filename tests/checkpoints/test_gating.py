"""A gated checkpoint: what is in it, what it shares with its base, and what its manifest says."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from bases import GATES, HIDDEN, LAYERS, contents, llama_tensors, make_base, make_sharded_base, read_index
from checkpoints import CheckpointError, Options, gate_checkpoint
from checkpoints.cli import gate
from checkpoints.configs import base_config
from safetensors.numpy import load_file

from generated.quality_gate_llama import QualityGateLlamaForCausalLM


UTILS = Path(__file__).parents[2] / "utils"


def loaded(folder: Path) -> dict[str, np.ndarray]:
    """Every tensor that the index lists, from the file where it says it is."""
    return {name: load_file(folder / file)[name] for name, file in read_index(folder).items()}


def manifest_of(folder: Path) -> dict:
    return json.loads((folder / "quality_gate_manifest.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("make", [make_base, make_sharded_base])
def test_the_index_lists_the_base_and_a_gate_for_every_layer(make, tmp_path: Path) -> None:
    gate_checkpoint(make(tmp_path / "base"), tmp_path / "gated")
    tensors, base = loaded(tmp_path / "gated"), llama_tensors()
    assert tensors.keys() == base.keys() | set(GATES)
    assert all(np.array_equal(tensors[name], base[name]) for name in base)
    assert all(tensors[name].shape == (1, HIDDEN) and tensors[name].dtype == np.float32 for name in GATES)
    assert {read_index(tmp_path / "gated")[name] for name in GATES} == {"model-quality-gates.safetensors"}


def test_shards_are_the_same_files_on_disk(tmp_path: Path) -> None:
    base = make_sharded_base(tmp_path / "base")
    done = gate_checkpoint(base, tmp_path / "gated")
    assert done.links == "hard" and done.plan.method == "overlay"
    for shard in base.glob("model-*.safetensors"):
        assert (tmp_path / "gated" / shard.name).samefile(shard)


def test_a_single_file_gets_a_name_that_is_not_loaded_without_the_index(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    gate_checkpoint(base, tmp_path / "gated")
    assert not (tmp_path / "gated" / "model.safetensors").exists()
    assert (tmp_path / "gated" / "model-00001-of-00001.safetensors").samefile(base / "model.safetensors")


@pytest.mark.parametrize("link", ["symlink", "copy"])
def test_other_ways_of_sharing(link: str, tmp_path: Path) -> None:
    base = make_sharded_base(tmp_path / "base")
    assert gate_checkpoint(base, tmp_path / "gated", options=Options(link=link)).links == link
    for shard in base.glob("model-*.safetensors"):
        ours = tmp_path / "gated" / shard.name
        assert ours.is_symlink() == (link == "symlink") and ours.read_bytes() == shard.read_bytes()
        assert ours.samefile(shard) == (link == "symlink")


def test_where_links_are_refused_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    base = make_sharded_base(tmp_path / "base")
    assert gate_checkpoint(base, tmp_path / "gated").links == "copy"
    assert not any((tmp_path / "gated" / shard.name).samefile(shard) for shard in base.glob("model-*.safetensors"))
    assert loaded(tmp_path / "gated").keys() == llama_tensors().keys() | set(GATES)


def test_the_configuration_is_the_base_s_with_gates(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", own_field="kept", auto_map={"AutoModel": "custom.Model"})
    gate_checkpoint(base, tmp_path / "gated", options=Options(init_mean=0.5, init_std=0.1))
    config = json.loads((tmp_path / "gated" / "config.json").read_text())
    assert config["model_type"] == "quality_gate_llama"
    assert config["architectures"] == ["QualityGateLlamaForCausalLM"]
    assert (config["quality_gate_init_mean"], config["quality_gate_init_std"]) == (0.5, 0.1)
    assert (config["quality_gate_mode"], config["quality_loss_weight"]) == ("observe", 0.5)
    assert config["own_field"] == "kept" and config["hidden_size"] == HIDDEN
    assert "auto_map" not in config


def test_layers_that_predict_further_tokens_are_no_contradiction(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", num_hidden_layers=LAYERS - 1, num_nextn_predict_layers=1)
    gates = gate_checkpoint(base, tmp_path / "gated", dry_run=True).plan.gates
    assert len(gates) == LAYERS - 1


def test_a_checkpoint_that_scales_is_made_in_python(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    with pytest.raises(CheckpointError, match=r"begin at about a half.*from_pretrained\(..., quality_gate_mode="):
        gate_checkpoint(base, tmp_path / "no", options=Options(fields={"quality_gate_mode": "scale_ffn"}))
    gate_checkpoint(base, tmp_path / "gated", options=Options(fields={"quality_gate_mode": "observe"}))
    model = QualityGateLlamaForCausalLM.from_pretrained(tmp_path / "gated", quality_gate_mode="scale_ffn")
    assert model.model.layers[0].scale_ffn
    model.save_pretrained(tmp_path / "scaling")
    assert json.loads((tmp_path / "scaling" / "config.json").read_text())["quality_gate_mode"] == "scale_ffn"


def test_the_base_s_configuration_has_the_base_s_names() -> None:
    named = base_config({"model_type": "quality_gate_gpt2", "architectures": ["QualityGateGPT2ForCausalLM"]})
    assert named == {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}


def test_small_files_come_along_and_other_weights_do_not(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    for name in ("vocab.json", "chat_template.jinja", "LICENSE", "pytorch_model.bin", "README.md", "custom.py"):
        (base / name).write_text(name)
    (base / "additional_chat_templates").mkdir()
    (base / "additional_chat_templates" / "tools.jinja").write_text("tools")
    (base / "original").mkdir()
    (base / "original" / "consolidated.pth").write_text("weights")
    gate_checkpoint(base, tmp_path / "gated")
    ours = contents(tmp_path / "gated")
    copied = {"vocab.json", "chat_template.jinja", "LICENSE", "tokenizer.json", "generation_config.json"}
    copied.add("additional_chat_templates/tools.jinja")
    assert all(ours[name] == contents(base)[name] for name in copied)
    left_out = {"pytorch_model.bin", "README.md", "custom.py", "original/consolidated.pth"}
    assert not left_out & ours.keys()
    assert manifest_of(tmp_path / "gated")["base"]["left_out"].keys() == left_out


def test_gates_are_normal_and_the_same_for_one_seed(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    drawn = {}
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        gate_checkpoint(base, tmp_path / name, options=Options(init_mean=3.0, init_std=0.5, seed=seed))
        drawn[name] = np.concatenate([loaded(tmp_path / name)[gate][0] for gate in GATES])
    assert np.array_equal(drawn["one"], drawn["again"]) and not np.array_equal(drawn["one"], drawn["two"])
    assert drawn["one"].mean() == pytest.approx(3, abs=0.5) and 0.25 < drawn["one"].std() < 0.75
    assert len(set(drawn["one"])) == LAYERS * HIDDEN


def test_the_stream_of_a_seed_never_changes(tmp_path: Path) -> None:
    gate_checkpoint(make_base(tmp_path / "base"), tmp_path / "gated", options=Options(seed=42))
    first = loaded(tmp_path / "gated")[GATES[0]][0, :3]
    assert first.tolist() == pytest.approx([0.0099342829, -0.0027652860, 0.0129537704], abs=1e-9)


def test_the_manifest_says_where_everything_comes_from(tmp_path: Path) -> None:
    base = make_sharded_base(tmp_path / "base")
    gate_checkpoint(base, tmp_path / "gated", options=Options(seed=7))
    manifest, folder = manifest_of(tmp_path / "gated"), tmp_path / "gated"
    assert manifest["tensors"].keys() == llama_tensors().keys()
    entry = manifest["tensors"]["model.layers.1.mlp.up_proj.weight"]
    assert (entry["dtype"], entry["shape"]) == ("F32", [12, HIDDEN]) and (base / entry["from"]).exists()
    assert manifest["gates"]["tensors"] == GATES and manifest["gates"]["seed"] == 7
    assert manifest["base"]["model_type"] == "llama"
    assert manifest["base"]["files"]["config.json"] == (base / "config.json").read_text()
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["files"].keys() == {path.name for path in folder.iterdir()} - {"quality_gate_manifest.json"}
    for name, entry in manifest["files"].items():
        data = (folder / name).read_bytes()
        assert (entry["size"], entry["sha256"]) == (len(data), sha256(data).hexdigest()), name


def test_hashes_can_wait(tmp_path: Path) -> None:
    base, folder = make_sharded_base(tmp_path / "base"), tmp_path / "gated"
    assert not gate_checkpoint(base, folder, hashes="later").hashed
    assert [entry["sha256"] for name, entry in manifest_of(folder)["files"].items() if "from" in entry] == [None] * 3
    again = gate_checkpoint(base, folder)
    assert again.hashed and not again.written
    gate_checkpoint(base, tmp_path / "at_once")
    assert manifest_of(folder)["files"] == manifest_of(tmp_path / "at_once")["files"]


def test_a_second_run_finds_everything_there(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    gate_checkpoint(base, tmp_path / "gated")
    before = contents(tmp_path / "gated")
    assert not gate_checkpoint(base, tmp_path / "gated").written
    assert contents(tmp_path / "gated") == before
    with pytest.raises(CheckpointError, match="another base or with other options"):
        gate_checkpoint(base, tmp_path / "gated", options=Options(seed=1))


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = make_sharded_base(tmp_path / "base")
    assert gate(["--base", str(base), "--output", str(tmp_path / "gated"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "hard-link model-00002-of-00003.safetensors" in said and "model-quality-gates.safetensors  3 gates" in said
    assert "bytes to write" in said
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_the_overlay_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from checkpoints.cli import gate; status = gate(sys.argv[1:]);"
        "loaded = {'torch', 'transformers'} & set(sys.modules); sys.exit(status or bool(loaded))"
    )
    base = make_base(tmp_path / "base")
    command = [sys.executable, "-c", code, "--base", str(base), "--output", str(tmp_path / "gated")]
    done = subprocess.run(command, env={"PYTHONPATH": str(UTILS)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "quality_gate_llama, 3 gates" in done.stdout
