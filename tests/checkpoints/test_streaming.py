"""Bases whose weights are written anew: pickles, GGUF files, other types, experts in another order."""

from __future__ import annotations

import json
import os
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from bases import CONFIG, GATES, HIDDEN, LAYERS, llama_tensors, make_base, make_sharded_base, read_index
from checkpoints import CheckpointError, Options, compare_models, gate_checkpoint, ungate_checkpoint
from checkpoints.casting import cast
from checkpoints.layout import open_checkpoint
from checkpoints.opening import open_tensors
from checkpoints.plan import make_plan
from safetensors.torch import load_file, save_file

from transformers import LlamaConfig, LlamaForCausalLM


def loaded(folder: Path) -> dict[str, torch.Tensor]:
    return {name: load_file(folder / file)[name] for name, file in read_index(folder).items()}


def torch_tensors() -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in llama_tensors().items()}


def make_pickles(folder: Path, shards: int = 1, **more: object) -> Path:
    make_base(folder)
    (folder / "model.safetensors").unlink()
    entries = torch_tensors() | more
    if shards == 1:
        torch.save(entries, folder / "pytorch_model.bin")
        return folder
    weight_map = {}
    for number in range(shards):
        name = f"pytorch_model-{number + 1:05}-of-{shards:05}.bin"
        part = {key: entries[key] for key in list(entries)[number::shards]}
        torch.save(part, folder / name)
        weight_map |= dict.fromkeys(part, name)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder


@pytest.mark.parametrize("source", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("target", ["float32", "float16", "bfloat16"])
def test_numbers_are_rounded_as_torch_rounds_them(source: str, target: str) -> None:
    names = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
    bits = torch.randint(-(2**31), 2**31, (20_000,), dtype=torch.int32, generator=torch.Generator().manual_seed(0))
    special = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan, 1e-45, 65504.0, 65519.9, 65520.0, 3.4e38])
    values = torch.cat([bits.view(torch.float32), special, torch.linspace(-2, 2, 10_001)])
    values = values.to(getattr(torch, source))
    wanted = values.to(getattr(torch, target))
    data = cast(values.view(torch.uint8).numpy().tobytes(), names[source], names[target])
    found = torch.frombuffer(bytearray(data), dtype=getattr(torch, target))
    assert torch.equal(found.isnan(), wanted.isnan())
    width = torch.int32 if target == "float32" else torch.int16
    assert torch.equal(found.nan_to_num(7.0).view(width), wanted.nan_to_num(7.0).view(width))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_another_type(dtype: str, tmp_path: Path) -> None:
    base = make_sharded_base(tmp_path / "base")
    done = gate_checkpoint(base, tmp_path / "gated", options=Options(dtype=dtype))
    assert done.plan.method == ("overlay" if dtype == "float32" else "stream")
    tensors = loaded(tmp_path / "gated")
    for name, array in torch_tensors().items():
        assert torch.equal(tensors[name], array.to(getattr(torch, dtype))), name
    assert all(tensors[name].dtype == torch.float32 for name in GATES)
    assert json.loads((tmp_path / "gated" / "config.json").read_text())["dtype"] == dtype
    assert compare_models(base, tmp_path / "gated", weights_only=True).passed
    assert compare_models(base, tmp_path / "gated").passed


def test_rounded_shards_come_back_rounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checkpoints.plan._SHARD_SIZE", 700)
    gate_checkpoint(make_sharded_base(tmp_path / "base"), tmp_path / "gated", options=Options(dtype="bfloat16"))
    ungate_checkpoint(tmp_path / "gated", tmp_path / "again")
    assert json.loads((tmp_path / "again" / "config.json").read_text())["dtype"] == "bfloat16"
    tensors = loaded(tmp_path / "again")
    assert tensors.keys() == llama_tensors().keys()
    assert all(torch.equal(tensors[name], array.bfloat16()) for name, array in torch_tensors().items())


def test_integers_keep_their_type(tmp_path: Path) -> None:
    tensors = llama_tensors() | {"model.positions": np.arange(9)}
    gate_checkpoint(make_base(tmp_path / "base", tensors), tmp_path / "gated", options=Options(dtype="bfloat16"))
    assert torch.equal(loaded(tmp_path / "gated")["model.positions"], torch.arange(9))


@pytest.mark.parametrize("shards", [1, 3])
def test_pickles(shards: int, tmp_path: Path) -> None:
    base = make_pickles(tmp_path / "base", shards)
    assert gate_checkpoint(base, tmp_path / "gated").plan.method == "stream"
    tensors = loaded(tmp_path / "gated")
    assert tensors.keys() == llama_tensors().keys() | set(GATES)
    assert all(torch.equal(tensors[name], array) for name, array in torch_tensors().items())
    assert compare_models(base, tmp_path / "gated").passed
    ungate_checkpoint(tmp_path / "gated", tmp_path / "again")
    assert compare_models(tmp_path / "again", tmp_path / "gated", weights_only=True).passed
    assert (tmp_path / "again" / "config.json").read_text() == (base / "config.json").read_text()


def test_pickles_of_another_kind(tmp_path: Path) -> None:
    """Tensors that share their storage, are not contiguous or are half-precision; and what is no tensor."""
    base = make_base(tmp_path / "base")
    (base / "model.safetensors").unlink()
    entries = dict(torch_tensors())
    entries["lm_head.weight"] = entries["model.embed_tokens.weight"]
    entries["model.norm.weight"] = torch.arange(2.0 * HIDDEN)[::2]
    entries["model.layers.0.mlp.up_proj.weight"] = torch.randn(HIDDEN, 12).bfloat16().T
    torch.save(entries | {"step": 7}, base / "pytorch_model.bin")
    gate_checkpoint(base, tmp_path / "gated")
    tensors = loaded(tmp_path / "gated")
    assert tensors.keys() == entries.keys() | set(GATES)
    assert all(torch.equal(tensors[name], array) for name, array in entries.items())
    manifest = json.loads((tmp_path / "gated" / "quality_gate_manifest.json").read_text())
    assert manifest["base"]["left_out"]["step"] == "is not a tensor, but of type int"


def test_pickles_of_old_files_are_read(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    (base / "model.safetensors").unlink()
    torch.save(torch_tensors(), base / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    gate_checkpoint(base, tmp_path / "gated")
    assert all(torch.equal(loaded(tmp_path / "gated")[name], array) for name, array in torch_tensors().items())


class Harmful:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("harm",)


def test_pickles_run_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    base = make_pickles(tmp_path / "base", harm=Harmful())
    with pytest.raises(CheckpointError, match="reading it would run code from the file"):
        gate_checkpoint(base, tmp_path / "gated")
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def spoil_index(base: Path) -> None:
    path = base / "pytorch_model.bin.index.json"
    index = json.loads(path.read_text())
    index["weight_map"].pop("lm_head.weight")
    path.write_text(json.dumps(index))


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (lambda base: os.truncate(base / "pytorch_model-00002-of-00003.bin", 3000), "cannot be read|holds more than"),
        (lambda base: (base / "pytorch_model-00002-of-00003.bin").unlink(), "is missing, but the index names it"),
        (lambda base: torch.save([1], base / "pytorch_model-00002-of-00003.bin"), "holds a list"),
        (lambda base: torch.save(torch_tensors(), base / "pytorch_model-00002-of-00003.bin"), "and so does"),
        (spoil_index, "does not say where `lm_head.weight` is"),
    ],
)
def test_bad_pickles_are_refused(spoil, reason: str, tmp_path: Path) -> None:
    base = make_pickles(tmp_path / "base", 3)
    spoil(base)
    with pytest.raises(CheckpointError, match=reason):
        gate_checkpoint(base, tmp_path / "gated")
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def write_gguf(path: Path, architecture: str = "llama") -> None:
    """A tiny Llama as llama.cpp keeps it: other names, rows of q and k in another order, blocks of 8 bits."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(8)
    writer.add_vocab_size(40)
    writer.add_tokenizer_model("gpt2")
    words = (
        [chr(ord("a") + number) for number in range(26)]
        + ["ab", "cd"]
        + [f"w{number}" for number in range(11)]
        + ["<|end|>"]
    )
    writer.add_token_list(words)
    writer.add_token_types([1] * 39 + [3])
    writer.add_token_merges(["a b", "c d"])
    writer.add_bos_token_id(39)
    writer.add_eos_token_id(39)
    shapes = {"token_embd": (40, 32), "output": (40, 32), "output_norm": (32,)}
    for layer in range(LAYERS):
        names = {"attn_q": (32, 32), "attn_k": (16, 32), "attn_v": (16, 32), "attn_output": (32, 32)}
        names |= {
            "ffn_gate": (64, 32),
            "ffn_up": (64, 32),
            "ffn_down": (32, 64),
            "attn_norm": (32,),
            "ffn_norm": (32,),
        }
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in names.items()}
    random = np.random.default_rng(0)
    for name, shape in shapes.items():
        values = random.normal(size=shape).astype(np.float32)
        if len(shape) == 1:
            writer.add_tensor(f"{name}.weight", values)
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(f"{name}.weight", gguf.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_gguf(tmp_path: Path) -> None:
    base, gated = tmp_path / "base", tmp_path / "gated"
    base.mkdir()
    write_gguf(base / "tiny.gguf")
    gate_checkpoint(base, gated)
    config = json.loads((gated / "config.json").read_text())
    assert config["architectures"] == ["QualityGateLlamaForCausalLM"] and "quantization_config" not in config
    assert (gated / "tokenizer.json").exists()
    whole = LlamaForCausalLM.from_pretrained(base, gguf_file="tiny.gguf", dtype=torch.float32).state_dict()
    tensors = loaded(gated)
    assert tensors.keys() == whole.keys() | set(GATES)
    assert all(torch.equal(tensors[name], array) for name, array in whole.items())
    result = compare_models(base, gated)
    assert result.passed, result.checks


def test_the_gguf_file_that_is_named_is_taken(tmp_path: Path) -> None:
    """Whatever lies beside it: another file of this kind, or the weights in another format."""
    base = make_base(tmp_path / "base")
    write_gguf(base / "tiny.gguf")
    (base / "other.gguf").write_bytes(b"GGUF but not quite")
    for stub in base.glob("tokenizer*"):
        stub.unlink()
    gate_checkpoint(base / "tiny.gguf", tmp_path / "gated")
    assert compare_models(base / "tiny.gguf", tmp_path / "gated").passed
    manifest = json.loads((tmp_path / "gated" / "quality_gate_manifest.json").read_text())
    assert {"other.gguf", "model.safetensors"} <= set(manifest["base"]["left_out"]), manifest["base"]["left_out"]
    (base / "model.safetensors").unlink()
    with pytest.raises(
        CheckpointError, match="holds 2 GGUF files; fix: name the one to use: .*other.gguf, or another"
    ):
        gate_checkpoint(base, tmp_path / "another")


def test_gguf_of_packed_experts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    write_gguf(tmp_path / "base" / "tiny.gguf", "gpt-oss")
    with pytest.raises(CheckpointError, match="holds the architecture gpt-oss"):
        gate_checkpoint(tmp_path / "base", tmp_path / "gated")
    (tmp_path / "base" / "tiny.gguf").write_bytes(b"GGUF but not quite")
    with pytest.raises(CheckpointError, match="is not a GGUF file"):
        gate_checkpoint(tmp_path / "base", tmp_path / "gated")


def test_large_tensors_come_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With chunks of a few bytes, chunks end inside rows, numbers and experts."""
    monkeypatch.setattr("checkpoints.tensors.CHUNK", 24)
    monkeypatch.setattr("checkpoints.pickles.CHUNK", 24)
    monkeypatch.setattr("checkpoints.plan._SHARD_SIZE", 700)
    for name, base in (("a", make_base(tmp_path / "base")), ("b", make_pickles(tmp_path / "pickles"))):
        done = gate_checkpoint(base, tmp_path / name, options=Options(dtype="float16"))
        assert len(done.plan.shards) > 3
        tensors = loaded(tmp_path / name)
        assert all(torch.equal(tensors[key], array.half()) for key, array in torch_tensors().items())


def moe_tensors(spelling: tuple[str, str, str], experts: int = 3) -> dict[str, torch.Tensor]:
    gate, up, down = spelling
    tensors = dict(torch_tensors())
    generator = torch.Generator().manual_seed(0)
    for layer in range(LAYERS):
        for expert in range(experts):
            prefix = f"model.layers.{layer}.mlp.experts.{expert}"
            for name, shape in ((gate, (5, HIDDEN)), (up, (5, HIDDEN)), (down, (HIDDEN, 5))):
                tensors[f"{prefix}.{name}.weight"] = torch.randn(shape, generator=generator)
    return tensors


@pytest.mark.parametrize("spelling", [("gate_proj", "up_proj", "down_proj"), ("w1", "w3", "w2")])
def test_experts_are_fused_and_separated(spelling: tuple[str, str, str], tmp_path: Path) -> None:
    gate, up, down = spelling
    tensors = moe_tensors(spelling)
    base = make_base(tmp_path / "base", {name: tensor.numpy() for name, tensor in tensors.items()})
    gate_checkpoint(base, tmp_path / "fused", options=Options(experts="fused"))
    fused = loaded(tmp_path / "fused")
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}.mlp.experts"
        each = [
            torch.cat([tensors[f"{prefix}.{number}.{gate}.weight"], tensors[f"{prefix}.{number}.{up}.weight"]])
            for number in range(3)
        ]
        assert torch.equal(fused[f"{prefix}.gate_up_proj"], torch.stack(each))
        downs = [tensors[f"{prefix}.{number}.{down}.weight"] for number in range(3)]
        assert torch.equal(fused[f"{prefix}.down_proj"], torch.stack(downs))
    assert not any(".experts.0." in name for name in fused)
    assert compare_models(base, tmp_path / "fused", weights_only=True).passed

    ungate_checkpoint(tmp_path / "fused", tmp_path / "fused_base")
    options = Options(experts="separate", dtype="bfloat16")
    gate_checkpoint(tmp_path / "fused_base", tmp_path / "separate", options=options)
    separate = loaded(tmp_path / "separate")
    for name, tensor in tensors.items():
        name = name.replace(".w1.", ".gate_proj.").replace(".w3.", ".up_proj.").replace(".w2.", ".down_proj.")
        assert torch.equal(separate[name], tensor.bfloat16()), name
    assert compare_models(tmp_path / "fused_base", tmp_path / "separate", weights_only=True).passed


def test_incomplete_experts_are_refused(tmp_path: Path) -> None:
    for case, spoil in {
        "lacks parts": lambda tensors: tensors.pop("model.layers.1.mlp.experts.1.up_proj.weight"),
        "differ in shape": lambda tensors: tensors.update(
            {"model.layers.1.mlp.experts.1.up_proj.weight": torch.ones(2, 2)}
        ),
    }.items():
        tensors = moe_tensors(("gate_proj", "up_proj", "down_proj"))
        spoil(tensors)
        base = tmp_path / case
        make_base(base, {name: tensor.numpy() for name, tensor in tensors.items()})
        with pytest.raises(CheckpointError, match=case):
            gate_checkpoint(base, tmp_path / "gated", options=Options(experts="fused"))


def test_a_base_saved_by_transformers(tmp_path: Path) -> None:
    """Tied embeddings, several shards, half precision, and a configuration that leaves defaults out."""
    fields = {name: value for name, value in CONFIG.items() if name not in ("architectures", "model_type")}
    model = LlamaForCausalLM(LlamaConfig(**fields | {"tie_word_embeddings": True})).bfloat16()
    model.save_pretrained(tmp_path / "base", max_shard_size="2KB")
    assert len(list((tmp_path / "base").glob("*.safetensors"))) > 1
    gate_checkpoint(tmp_path / "base", tmp_path / "gated")
    result = compare_models(tmp_path / "base", tmp_path / "gated")
    assert result.passed, result.checks
    result = compare_models(tmp_path / "base", tmp_path / "gated", dtype="bfloat16")
    assert result.passed, result.checks


def test_planning_reads_no_weights(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    save_file({name: tensor * 0 for name, tensor in torch_tensors().items()}, base / "model.safetensors")
    plan = make_plan(open_checkpoint(base), "base", tmp_path / "gated", Options())
    assert plan.method == "overlay" and type(open_tensors(plan.base)).__name__ == "SafetensorsTensors"
