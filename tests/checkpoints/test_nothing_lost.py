"""What is in the way of a run, beside it or changed behind its back: kept, carried along or told of, never lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bases import contents, make_base, make_sharded_base, refused
from checkpoints import CheckpointError, Options, compare_models, gate_checkpoint, ungate_checkpoint
from checkpoints.cli import compare, gate, ungate
from checkpoints.hub import find_folder
from huggingface_hub.utils import filter_repo_objects
from safetensors.numpy import load_file, save_file


MANIFEST, PROGRESS = "quality_gate_manifest.json", "quality_gate_progress.json"
GATES = "model-quality-gates.safetensors"


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_model.bin", None])
def test_an_adapter_beside_full_weights_is_refused(
    name: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """transformers would load the base that the adapter names, not the gated weights beside it."""
    base = make_base(tmp_path / "base")
    gate_checkpoint(base, tmp_path / "gated")
    for folder in (base, tmp_path / "gated"):
        (folder / "adapter_config.json").write_text(
            '{"base_model_name_or_path": "somebody/else", "peft_type": "LORA"}'
        )
        if name:
            (folder / name).write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    place, gated, out = str(base), str(tmp_path / "gated"), str(tmp_path / "out")
    runs = [
        lambda: gate(["--base", place, "--output", out]),
        lambda: ungate(["--gated", gated, "--output", out]),
        lambda: compare(["--base", place, "--gated", gated]),
    ]
    for run in runs:
        line = refused(capsys, run())
        assert "adapter-beside-weights" in line and "merge_and_unload" in line
    assert not list(tmp_path.glob("out*"))
    (base / "adapter_config.json").unlink()
    gate_checkpoint(base, out)
    assert not (tmp_path / "out" / "adapter_config.json").exists()


def change_a_gate(gated: Path) -> None:
    tensors = {name: array + np.float32(1) for name, array in load_file(gated / GATES).items()}
    save_file(tensors, gated / GATES, metadata={"format": "pt"})


def change_the_tokenizer(gated: Path) -> None:
    (gated / "tokenizer.json").write_text('{"version": "2.0"}')


def change_a_shard(gated: Path) -> None:
    path = gated / "model-00001-of-00003.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("change", [change_a_gate, change_the_tokenizer, change_a_shard])
@pytest.mark.parametrize("options", [{"link": "copy"}, {"dtype": "bfloat16"}], ids=["copied", "written anew"])
def test_what_changed_before_it_was_hashed_is_told(
    options: dict[str, str], change: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, gated = make_sharded_base(tmp_path / "base"), tmp_path / "gated"
    gate_checkpoint(base, gated, options=Options(**options), hashes="later")
    if options.get("dtype") and change is change_a_shard:
        (gated / "model-00001-of-00001.safetensors").rename(gated / "model-00001-of-00003.safetensors")
        change(gated)
        (gated / "model-00001-of-00003.safetensors").rename(gated / "model-00001-of-00001.safetensors")
    else:
        change(gated)
    files = next(each for each in compare_models(base, gated, weights_only=True).checks)
    assert files.passed is False
    before = contents(gated)
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    for hashes in ("now", "now"):  # nor is it taken for the truth by asking twice
        command = ["--base", str(base), "--output", str(gated), *arguments, "--hash", hashes]
        assert "changed-since: is not what was written" in refused(capsys, gate(command))
    assert contents(gated) == before


def test_what_did_not_change_is_hashed_later(tmp_path: Path) -> None:
    base = make_sharded_base(tmp_path / "base")
    gate_checkpoint(base, tmp_path / "now", options=Options(link="copy"))
    gate_checkpoint(base, tmp_path / "later", options=Options(link="copy"), hashes="later")
    entries = json.loads((tmp_path / "later" / MANIFEST).read_text())["files"]
    assert {name for name, entry in entries.items() if not entry["sha256"]} == {
        name for name in entries if name.startswith("model-0")
    }
    assert gate_checkpoint(base, tmp_path / "later", options=Options(link="copy")).hashed
    assert contents(tmp_path / "later") == contents(tmp_path / "now")


def a_file(partial: Path) -> None:
    (partial / "notes.txt").write_text("mine")


def an_unfinished_download(partial: Path) -> None:
    (partial / "movie.part").write_text("mine")


def a_folder(partial: Path) -> None:
    (partial / "photos").mkdir()
    (partial / "photos" / "cat.jpg").write_text("mine")


def a_note_of_another_run(partial: Path) -> None:
    record = {"partial": True, "fingerprint": "another", "files": ["config.json"]}
    (partial / PROGRESS).write_text(json.dumps(record))
    a_file(partial)


def a_note_of_an_old_run(partial: Path) -> None:
    (partial / PROGRESS).write_text(json.dumps({"partial": True, "fingerprint": "another"}))
    (partial / "config.json").write_text("mine")


def a_note_that_lies(partial: Path) -> None:
    record = {"partial": True, "fingerprint": "another", "files": ["../victim", "/etc/passwd", "config.json"]}
    (partial / PROGRESS).write_text(json.dumps(record))
    (partial / "config.json").write_text("mine")


@pytest.mark.parametrize(
    "fill", [a_file, an_unfinished_download, a_folder, a_note_of_another_run, a_note_of_an_old_run, a_note_that_lies]
)
@pytest.mark.parametrize("command", ["gate", "ungate"])
def test_a_partial_folder_is_emptied_of_what_is_ours_alone(
    command: str, fill: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = make_sharded_base(tmp_path / "base")
    gate_checkpoint(base, tmp_path / "gated")
    partial = tmp_path / "out.partial"
    partial.mkdir()
    (tmp_path / "victim").write_text("precious")
    fill(partial)
    before = contents(tmp_path)
    out = ["--output", str(tmp_path / "out")]
    for _ in range(2):
        run = (
            gate(["--base", str(base), *out])
            if command == "gate"
            else ungate(["--gated", str(tmp_path / "gated"), *out])
        )
        assert "foreign-partial" in refused(capsys, run)
        assert contents(tmp_path) == before


def test_a_partial_folder_is_no_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = make_base(tmp_path / "base")
    (tmp_path / "mine").mkdir()
    (tmp_path / "out.partial").symlink_to(tmp_path / "mine")
    line = refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / "out")]))
    assert "out.partial: foreign-partial: is a symbolic link" in line
    assert (tmp_path / "out.partial").is_symlink() and not list((tmp_path / "mine").iterdir())


def test_another_run_starts_over_and_a_refusal_leaves_others_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that is stopped leaves its files to be replaced; what somebody puts there meanwhile stays."""
    base = make_sharded_base(tmp_path / "base")
    (base / "additional_chat_templates" / "a").mkdir(parents=True)
    (base / "additional_chat_templates" / "a" / "b.jinja").write_text("x")
    ends: list[BaseException] = [KeyboardInterrupt(), CheckpointError("x", "is refused", "do not")]

    def read_manifest(folder: Path) -> None:
        if len(ends) == 1:
            (folder / "notes.txt").write_text("mine")
        if ends:
            raise ends.pop(0)

    monkeypatch.setattr("checkpoints.gating.read_manifest", read_manifest)
    with pytest.raises(KeyboardInterrupt):
        gate_checkpoint(base, tmp_path / "out")
    assert (tmp_path / "out.partial" / "config.json").exists()
    with pytest.raises(CheckpointError, match="is refused"):
        gate_checkpoint(base, tmp_path / "out", options=Options(seed=7))
    assert contents(tmp_path / "out.partial").keys() == {"notes.txt"}
    os.remove(tmp_path / "out.partial" / "notes.txt")
    gate_checkpoint(base, tmp_path / "out", options=Options(seed=7))
    assert (tmp_path / "out" / "additional_chat_templates" / "a" / "b.jinja").read_text() == "x"


def test_templates_in_folders_go_there_and_back(tmp_path: Path) -> None:
    base = make_sharded_base(tmp_path / "base")
    for name in ("rag.jinja", "tools/one.jinja", "tools/deep/er.jinja"):
        path = base / "additional_chat_templates" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{{{{ {name} }}}}")
    gate_checkpoint(base, tmp_path / "gated")
    assert compare_models(base, tmp_path / "gated", weights_only=True).passed
    ungate_checkpoint(tmp_path / "gated", tmp_path / "again")
    assert contents(tmp_path / "again") == contents(base)


def test_templates_in_folders_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub's client is asked for them, and not for other folders."""
    files = ["config.json", "model.safetensors", "original/consolidated.safetensors", "onnx/model.onnx"]
    files += ["additional_chat_templates/rag.jinja", "additional_chat_templates/tools/one.jinja"]
    fetched: set[str] = set()

    def snapshot_download(name: str, revision: str | None = None, **patterns: list[str]) -> str:
        folder = tmp_path / "cache" / "snapshots" / "0123"
        for file in filter_repo_objects(files, **patterns):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).touch()
            fetched.add(file)
        assert revision in (None, "0123")
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert find_folder("somebody/model").name == "0123"
    assert fetched == {*files[:2], *files[4:]}
