"""Small base checkpoints made without torch, and questions about folders."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save_file


if TYPE_CHECKING:
    import pytest

LAYERS, HIDDEN = 3, 8
GATES = [f"model.layers.{layer}.quality_gate.gate.weight" for layer in range(LAYERS)]
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": HIDDEN,
    "intermediate_size": 12,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 16,
    "pad_token_id": None,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
}
_OF_A_LAYER = {
    "input_layernorm.weight": (HIDDEN,),
    "post_attention_layernorm.weight": (HIDDEN,),
    "self_attn.q_proj.weight": (HIDDEN, HIDDEN),
    "self_attn.k_proj.weight": (HIDDEN // 2, HIDDEN),
    "self_attn.v_proj.weight": (HIDDEN // 2, HIDDEN),
    "self_attn.o_proj.weight": (HIDDEN, HIDDEN),
    "mlp.gate_proj.weight": (12, HIDDEN),
    "mlp.up_proj.weight": (12, HIDDEN),
    "mlp.down_proj.weight": (HIDDEN, 12),
}


def quick_folder() -> tempfile.TemporaryDirectory[str]:
    """A temporary folder in memory, where waiting for a disk costs nothing; on disk where there is no such place."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)


def llama_tensors(seed: int = 0) -> dict[str, np.ndarray]:
    """The weights of a tiny Llama, random."""
    shapes = {
        "model.embed_tokens.weight": (16, HIDDEN),
        "model.norm.weight": (HIDDEN,),
        "lm_head.weight": (16, HIDDEN),
    }
    for layer in range(LAYERS):
        shapes |= {f"model.layers.{layer}.{name}": shape for name, shape in _OF_A_LAYER.items()}
    random = np.random.default_rng(seed)
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def make_base(
    folder: Path,
    tensors: Mapping[str, np.ndarray] | None = None,
    shards: Sequence[Sequence[str]] = (),
    **config: Any,
) -> Path:
    """Write a base checkpoint: one file, or one for each list of names in `shards` and an index."""
    tensors = llama_tensors() if tensors is None else tensors
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | config), encoding="utf-8")
    (folder / "tokenizer.json").write_text('{"version": "1.0"}', encoding="utf-8")
    (folder / "generation_config.json").write_text('{"do_sample": false}', encoding="utf-8")
    if not shards:
        save_file(dict(tensors), folder / "model.safetensors", metadata={"format": "pt"})
        return folder
    weight_map = {}
    for number, names in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        save_file({name: tensors[name] for name in names}, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(names, file)
    write_index(folder, weight_map)
    return folder


def make_sharded_base(folder: Path, count: int = 3) -> Path:
    """A tiny Llama in several shards."""
    tensors = llama_tensors()
    names = list(tensors)
    return make_base(folder, tensors, [names[start::count] for start in range(count)])


def make_bulky_base(folder: Path, extra: int = 8) -> Path:
    """Four shards that take a moment to copy, hash and write: a tiny Llama, and `extra` tensors of 256 KiB."""
    tensors = {f"model.extra.{number}": np.full((64, 1024), number, np.float32) for number in range(extra)}
    tensors |= llama_tensors()
    names = sorted(tensors)
    return make_base(folder, tensors, [names[start::4] for start in range(4)])


def write_index(folder: Path, weight_map: Mapping[str, str]) -> None:
    """The index of a sharded checkpoint."""
    document = {"metadata": {"total_size": 1}, "weight_map": dict(weight_map)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(document), encoding="utf-8")


def read_index(folder: Path) -> dict[str, str]:
    """The tensors that an index lists, and where it says they are."""
    return json.loads((folder / "model.safetensors.index.json").read_text(encoding="utf-8"))["weight_map"]


def contents(folder: Path) -> dict[str, str]:
    """The digest of every file of a folder, by relative path: equal contents are equal folders."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def refused(capsys: pytest.CaptureFixture[str], status: int) -> str:
    """The line that a refused command says: one, with a place, a reason and a remedy."""
    said = capsys.readouterr()
    assert (status, said.out) == (2, "")
    assert said.err.count("\n") == 1 and "; fix: " in said.err and "Traceback" not in said.err
    return said.err
