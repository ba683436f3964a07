"""Bad input: one line that names a file and a remedy, nothing written, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bases import (
    HIDDEN,
    LAYERS,
    contents,
    llama_tensors,
    make_base,
    make_sharded_base,
    read_index,
    refused,
    write_index,
)
from checkpoints import gate_checkpoint
from checkpoints.cli import compare, gate, ungate
from facts import peculiar
from safetensors.numpy import load_file, save_file


SHARD = "model-00002-of-00003.safetensors"
INDEX = "model.safetensors.index.json"


def test_a_file_of_peculiarities_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = make_base(tmp_path / "base", llama_tensors())
    (tmp_path / "llama.toml").write_text("[[checkpoint]]\nexperts = []\n")
    monkeypatch.setattr(peculiar, "FOLDER", tmp_path)
    assert gate(["--base", str(base), "--output", str(tmp_path / "gated")]) == 2
    said = capsys.readouterr().err
    assert "modular/peculiar/llama.toml:2:1: no-reason" in said and "fix: " in said
    assert not (tmp_path / "gated").exists()


def change_config(base: Path, **fields: object) -> None:
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | fields))


def truncate(path: Path, size: int) -> None:
    os.truncate(path, size if size >= 0 else path.stat().st_size + size)


def name_twice(base: Path) -> None:
    """One header that has the same key twice, as no JSON library would write it."""
    path = base / SHARD
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].rstrip().decode()
    first = header.index('"model')
    entry = header[first : header.index("}", first) + 1]
    header = (header[:first] + entry + "," + header[first:]).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + length :])


def add_tensor(base: Path, name: str, array: np.ndarray, shard: str = SHARD, listed: bool = False) -> None:
    save_file(load_file(base / shard) | {name: array}, base / shard)
    if listed:
        write_index(base, read_index(base) | {name: shard})


def loop(base: Path, name: str) -> None:
    (base / name).unlink()
    (base / name).symlink_to(base / name)


def point_index(base: Path, file: str) -> None:
    weight_map = read_index(base)
    write_index(base, weight_map | {next(iter(weight_map)): file})


def swap_in_index(base: Path) -> None:
    weight_map = read_index(base)
    name = next(name for name, file in weight_map.items() if file == SHARD)
    write_index(base, weight_map | {name: "model-00001-of-00003.safetensors"})


def small_floats(base: Path) -> None:
    import torch
    from safetensors.torch import load_file as load
    from safetensors.torch import save_file as save

    weights = load(base / SHARD)
    name = next(name for name, weight in weights.items() if ".layers." in name and weight.ndim == 2)
    save(weights | {name: weights[name].to(torch.float8_e4m3fn)}, base / SHARD)


def drop_from_index(base: Path) -> None:
    weight_map = read_index(base)
    weight_map.pop("lm_head.weight")
    write_index(base, weight_map)


ZEROS = np.zeros(2, np.float32)
# what is done to a good base, the file that the refusal names, and what else it says
BAD_BASES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "shard missing": (lambda base: (base / SHARD).unlink(), SHARD, "is missing, but the index names it"),
    "shard truncated": (lambda base: truncate(base / SHARD, -1), SHARD, "is truncated"),
    "shard empty": (lambda base: truncate(base / SHARD, 0), SHARD, "truncated in its header"),
    "header truncated": (lambda base: truncate(base / SHARD, 40), SHARD, "truncated in its header"),
    "shard too long": (lambda base: truncate(base / SHARD, 100_000), SHARD, "is too long"),
    "shard a folder": (lambda base: ((base / SHARD).unlink(), (base / SHARD).mkdir()), SHARD, "is not a file"),
    "header no JSON": (lambda base: (base / SHARD).write_bytes(b"\x08" + b"\0" * 7 + b"no json!"), SHARD, "header"),
    "index names no file": (lambda base: point_index(base, "gone.safetensors"), "gone.safetensors", "is missing"),
    "index leads outside": (
        lambda base: point_index(base, "../base2/x.safetensors"),
        INDEX,
        "not a file of this folder",
    ),
    "index leads to root": (lambda base: point_index(base, "/etc/passwd"), INDEX, "not a file of this folder"),
    "index no JSON": (lambda base: (base / INDEX).write_text("{"), INDEX, "is not JSON"),
    "index no text": (lambda base: (base / INDEX).write_bytes(b"\xff\xfe"), INDEX, "is not text"),
    "index without map": (lambda base: (base / INDEX).write_text("{}"), INDEX, "weight_map"),
    "index wrong": (swap_in_index, INDEX, "but it is in"),
    "index incomplete": (drop_from_index, INDEX, "does not list `lm_head.weight`"),
    "index missing": (lambda base: (base / INDEX).unlink(), INDEX, "is missing beside its shards"),
    "tensor in two shards": (lambda base: add_tensor(base, "lm_head.weight", ZEROS), ".safetensors", "and so does"),
    "tensor twice in one": (name_twice, SHARD, "is there twice"),
    "gated already": (
        lambda base: change_config(base, model_type="quality_gate_llama"),
        "config.json",
        "gated already",
    ),
    "gates there": (
        lambda base: add_tensor(base, "model.layers.0.quality_gate.gate.weight", ZEROS, listed=True),
        "base",
        "gated already",
    ),
    "unknown architecture": (lambda base: change_config(base, model_type="mamba"), "config.json", ", gemma3, "),
    "no model type": (lambda base: change_config(base, model_type=None), "config.json", "model_type"),
    "unknown head": (lambda base: change_config(base, architectures=["LlamaForX"]), "config.json", "has no LlamaForX"),
    "quantised": (
        lambda base: change_config(base, quantization_config={"quant_method": "gptq"}),
        "config.json",
        "packed with gptq",
    ),
    "more layers than weights": (lambda base: change_config(base, num_hidden_layers=9), "base", "no 9 layers"),
    "fewer layers than weights": (
        lambda base: change_config(base, num_hidden_layers=1),
        "config.json",
        f"says 1 layers, and the weights have {LAYERS} in `model.layers`",
    ),
    "more tokens than embeddings": (
        lambda base: change_config(base, vocab_size=10_000),
        "config.json",
        "says `vocab_size` 10000, and `model.embed_tokens.weight` has the shape",
    ),
    "small floats of no quantizer": (
        small_floats,
        "base",
        "is of the type F8_E4M3, and config.json names no quantizer",
    ),
    "another width": (lambda base: change_config(base, hidden_size=HIDDEN + 1), "config.json", "has the shape [8]"),
    "config missing": (lambda base: (base / "config.json").unlink(), "config.json", "is missing"),
    "config no JSON": (lambda base: (base / "config.json").write_text("no"), "config.json", "is not JSON"),
    "config no object": (lambda base: (base / "config.json").write_text("[]"), "config.json", "is not a JSON object"),
    "shard a loop": (lambda base: loop(base, SHARD), SHARD, "loop"),
    "tokenizer a loop": (lambda base: loop(base, "tokenizer.json"), "tokenizer.json", "loop"),
    "config a link to nothing": (
        lambda base: ((base / "config.json").unlink(), (base / "config.json").symlink_to(base / "gone")),
        "config.json",
        "symbolic link to nothing",
    ),
}


@pytest.mark.parametrize("case", BAD_BASES)
def test_a_bad_base_is_refused(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil, place, reason = BAD_BASES[case]
    base = make_sharded_base(tmp_path / "base")
    spoil(base)
    before = contents(base)
    line = refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / "gated")]))
    assert line.split(": ")[0].endswith(place) and reason in line
    assert contents(base) == before and [path.name for path in tmp_path.iterdir()] == ["base"]


def test_what_is_no_checkpoint_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, files, reason in (
        ("empty", {}, "holds no weights"),
        ("adapter", {"adapter_config.json": "{}"}, "an adapter"),
        ("ggufs", {"a.gguf": "", "b.gguf": ""}, "holds 2 GGUF files"),
    ):
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
        assert reason in refused(capsys, gate(["--base", str(tmp_path / name), "--output", str(tmp_path / "gated")]))
    for base, reason in (
        (tmp_path / "gone", "does not exist"),
        ("no/such/repository", "does not exist"),
        ("nobody/has-this-model", "was not found on the Hub"),
        ("not a name!", "not a name on the Hub"),
    ):
        assert reason in refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / "gated")]))
    assert not (tmp_path / "gated").exists()


@pytest.mark.parametrize(
    "output, reason",
    [
        ("base", "is the base itself"),
        ("base/inside", "is the base itself, or one lies in the other"),
        (".", "is the base itself, or one lies in the other"),
        ("link", "is the base itself"),
        ("file", "is a file"),
        ("full", "is not empty"),
        ("model", "holds a checkpoint already"),
        ("loop", "a loop of them"),
    ],
)
def test_a_bad_output_is_refused(output: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = make_base(tmp_path / "base")
    (tmp_path / "link").symlink_to(base)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    shutil.copytree(base, tmp_path / "model")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    before = contents(tmp_path)
    line = refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / output)]))
    assert reason in line
    assert contents(tmp_path) == before


def test_a_partial_folder_of_somebody_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = make_base(tmp_path / "base")
    (tmp_path / "gated.partial").mkdir()
    (tmp_path / "gated.partial" / "notes.txt").write_text("mine")
    line = refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / "gated")]))
    assert "is not a partial checkpoint" in line
    assert (tmp_path / "gated.partial" / "notes.txt").read_text() == "mine" and not (tmp_path / "gated").exists()


def test_a_read_only_output_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_base(tmp_path / "base")

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    line = refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / "gated")]))
    assert "gated.partial: read-only file system; fix: choose an --output that can be written to" in line


def test_too_small_a_disk_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_base(tmp_path / "base")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    line = refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / "gated")]))
    assert "bytes, but 1,000 are free; fix: free disk space" in line
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


@pytest.mark.parametrize(
    "options, reason",
    [
        (["--init-std", "-1"], "--init-mean and --init-std: must be finite"),
        (["--init-mean", "nan"], "--init-mean and --init-std: must be finite"),
        (["--seed", "-1"], "--seed: is -1"),
        (["--model", "qwen3"], "belongs to the gated llama, not to qwen3"),
        (["--experts", "fused"], "holds no experts"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = make_base(tmp_path / "base")
    assert reason in refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / "gated"), *options]))
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def hub_cache(folder: Path, base: Path, **names: str) -> Path:
    """A repository as the Hub's client keeps it: links to blobs that are named by their digests."""
    blobs, snapshot = folder / "blobs", folder / "snapshots" / ("0" * 40)
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for path in (each for each in base.rglob("*") if each.is_file()):
        blob, link = (
            blobs / names.get(path.name, sha256(path.read_bytes()).hexdigest()),
            snapshot / path.relative_to(base),
        )
        shutil.copy(path, blob)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40)
    return snapshot


def test_a_shard_that_is_not_what_was_fetched_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = make_sharded_base(tmp_path / "made")
    good = hub_cache(tmp_path / "good", base)
    assert gate_checkpoint(good, tmp_path / "gated").links == "hard"
    bad = hub_cache(tmp_path / "bad", base, **{SHARD: "ab" * 32})
    line = refused(capsys, gate(["--base", str(bad), "--output", str(tmp_path / "other")]))
    assert SHARD in line and f"but was fetched as {'ab' * 32}" in line
    assert not (tmp_path / "other").exists() and not (tmp_path / "other.partial").exists()


def test_a_shard_of_a_local_folder_is_held_to_its_etag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = make_sharded_base(tmp_path / "base")
    note = base / ".cache" / "huggingface" / "download" / f"{SHARD}.metadata"
    note.parent.mkdir(parents=True)
    note.write_text(f"{'0' * 40}\n{'cd' * 32}\n{(base / SHARD).stat().st_mtime}\n")
    line = refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / "gated")]))
    assert f"but was fetched as {'cd' * 32}" in line


def test_a_name_on_the_hub_is_found_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = make_sharded_base(tmp_path / "made")
    (base / "additional_chat_templates" / "tools").mkdir(parents=True)
    (base / "additional_chat_templates" / "tools" / "one.jinja").write_text("{{ x }}")
    hub_cache(tmp_path / "hub" / "models--someone--tiny", base)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    gate_checkpoint("someone/tiny", tmp_path / "gated")
    assert (tmp_path / "gated" / "additional_chat_templates" / "tools" / "one.jinja").read_text() == "{{ x }}"
    assert (tmp_path / "gated" / SHARD).samefile(
        tmp_path / "hub" / "models--someone--tiny" / "snapshots" / ("0" * 40) / SHARD
    )


def test_other_commands_refuse_in_one_line_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, gated = make_sharded_base(tmp_path / "base"), tmp_path / "gated"
    gate_checkpoint(base, gated)
    out = str(tmp_path / "out")
    assert "holds no gates" in refused(capsys, ungate(["--gated", str(base), "--output", out]))
    assert "is the base itself" in refused(capsys, ungate(["--gated", str(gated), "--output", str(gated)]))
    assert "holds a checkpoint" in refused(capsys, ungate(["--gated", str(gated), "--output", str(base)]))
    truncate(base / SHARD, -4)  # the gated checkpoint's as well: it is the same file
    assert "is truncated" in refused(capsys, ungate(["--gated", str(gated), "--output", out]))
    assert "is truncated" in refused(capsys, compare(["--base", str(base), "--gated", str(gated)]))
    assert not (tmp_path / "out").exists()


def test_ungating_refuses_a_shard_that_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, gated = make_sharded_base(tmp_path / "base"), tmp_path / "gated"
    gate_checkpoint(base, gated)
    data = bytearray((gated / SHARD).read_bytes())
    data[-1] ^= 1
    (gated / SHARD).write_bytes(data)
    line = refused(capsys, ungate(["--gated", str(gated), "--output", str(tmp_path / "out")]))
    assert SHARD in line and "when the base was gated" in line
    assert not list(tmp_path.glob("out*"))


def test_a_good_base_is_what_all_of_these_were_made_of(tmp_path: Path) -> None:
    assert gate_checkpoint(make_sharded_base(tmp_path / "base"), tmp_path / "gated").written
    assert llama_tensors().keys() == read_index(tmp_path / "base").keys()
