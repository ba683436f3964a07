"""What strangers put into a checkpoint: names that lead out of its folder, links, pipes and devices."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bases import contents, make_base, make_sharded_base, read_index, refused, write_index
from checkpoints import CheckpointError, Options, compare_models, gate_checkpoint, ungate_checkpoint
from checkpoints.cli import compare, gate, ungate
from checkpoints.layout import open_checkpoint
from checkpoints.paths import file_inside, is_plain, own_file, regular_file


MANIFEST = "quality_gate_manifest.json"
INDEX = "model.safetensors.index.json"
SHARD = "model-00001-of-00003.safetensors"
ESCAPES = [
    "../victim",
    "../../victim",
    "{}/victim",
    "x/../../victim",
    "..",
    ".",
    "",
    "a\\victim",
    "victim\0",
    "\x1b[2J",
]


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """A pipe or a device that is read would never end: the test fails instead."""

    def fail(*_: object) -> None:
        raise AssertionError("no end after 60 s")

    previous = signal.signal(signal.SIGALRM, fail)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture
def gated(tmp_path: Path) -> Path:
    """A gated checkpoint in three shards beside its base, and a file that nobody may touch."""
    gate_checkpoint(make_sharded_base(tmp_path / "base"), tmp_path / "gated")
    (tmp_path / "victim").write_text("precious")
    return tmp_path / "gated"


def change_manifest(gated: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((gated / MANIFEST).read_text())
    change(manifest)
    (gated / MANIFEST).write_text(json.dumps(manifest))


def run_all(gated: Path) -> list[Callable[[], int]]:
    """Every command that reads a manifest."""
    base, place = str(gated.parent / "base"), str(gated)
    return [
        lambda: ungate(["--gated", place, "--output", str(gated.parent / "out")]),
        lambda: compare(["--base", base, "--gated", place, "--weights-only"]),
        lambda: gate(["--base", base, "--output", place]),
    ]


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("where", ["from", "key"])
def test_a_manifest_names_files_of_its_folder_alone(
    where: str, name: str, gated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = name.format(gated.parent)

    def lead_out(manifest: dict[str, Any]) -> None:
        files = manifest["files"]
        if where == "from":
            files[SHARD]["from"] = name
        else:
            files[name] = files.pop("tokenizer.json")

    change_manifest(gated, lead_out)
    before = contents(gated.parent)
    for run in run_all(gated):
        line = refused(capsys, run())
        assert line.split(": ")[0].endswith(MANIFEST)
        assert ("outside-folder" if where == "key" else "bad-manifest") in line
    assert contents(gated.parent) == before


def test_two_shards_never_get_one_name(gated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twice = "model-00002-of-00003.safetensors"
    change_manifest(gated, lambda manifest: manifest["files"][SHARD].update({"from": twice}))
    assert "bad-manifest" in refused(capsys, run_all(gated)[0]())
    change_manifest(gated, lambda manifest: manifest["files"][twice].pop("from"))
    assert "two shards would get one name" in refused(capsys, run_all(gated)[0]())
    assert not list(gated.parent.glob("out*"))


@pytest.mark.parametrize("name", ESCAPES)
def test_an_index_names_files_of_its_folder_alone(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = make_sharded_base(tmp_path / "base")
    weight_map = read_index(base)
    write_index(base, weight_map | {next(iter(weight_map)): name.format(tmp_path)})
    line = refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / "gated")]))
    assert "outside-folder" in line and "not a file of this folder" in line


def test_gated_folders_of_links_go_on_working(tmp_path: Path) -> None:
    """`--link symlink` makes links out of the folder, and weights may be links by hand as well."""
    base = make_sharded_base(tmp_path / "elsewhere")
    linked = tmp_path / "base"
    linked.mkdir()
    for path in base.iterdir():
        if path.suffix == ".safetensors":
            (linked / path.name).symlink_to(path)
        else:
            (linked / path.name).write_bytes(path.read_bytes())
    gate_checkpoint(linked, tmp_path / "gated", options=Options(link="symlink"))
    assert compare_models(linked, tmp_path / "gated", weights_only=True).passed
    assert ungate_checkpoint(tmp_path / "gated", tmp_path / "out").hashes_equal
    assert contents(tmp_path / "out") == contents(base)


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_secret(path: Path) -> None:
    secret = next(each for each in path.parents if each.name in ("base", "gated")).parent / "secret"
    secret.write_text('{"model_type": "llama", "weight_map": {}, "manifest": 1}')
    path.symlink_to(secret)


def a_hidden_file(path: Path) -> None:
    (path.parent / ".git").mkdir()
    (path.parent / ".git" / "config").write_text("url = https://me:password@example.org")
    path.symlink_to(Path(".git") / "config")


@pytest.mark.parametrize("make", [a_pipe, a_device, a_secret, a_hidden_file])
@pytest.mark.parametrize("name", ["config.json", INDEX])
def test_documents_are_files_of_the_folder(
    name: str, make: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = make_sharded_base(tmp_path / "base")
    (base / name).unlink()
    make(base / name)
    line = refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / "gated")]))
    assert line.split(": ")[0].endswith(name)
    assert ("no-file" if make in (a_pipe, a_device) else "outside-folder") in line
    assert not list(tmp_path.glob("gated*"))


@pytest.mark.parametrize("make", [a_pipe, a_device, a_secret])
def test_a_manifest_is_a_file_of_the_folder(
    make: Callable[[Path], None], gated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (gated / MANIFEST).unlink()
    make(gated / MANIFEST)
    for run in run_all(gated):
        assert refused(capsys, run()).split(": ")[0].endswith(MANIFEST)


@pytest.mark.parametrize("make", [a_pipe, a_device])
def test_weights_are_files(make: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = make_sharded_base(tmp_path / "base")
    (base / SHARD).unlink()
    make(base / SHARD)
    line = refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / "gated")]))
    assert SHARD in line and "no-file: is not a file, but a pipe, a socket or a device" in line


@pytest.mark.parametrize("make", [a_pipe, a_device, a_secret])
def test_what_a_manifest_lists_is_not_looked_for_elsewhere(make: Callable[[Path], None], gated: Path) -> None:
    """A device is never hashed: the file is told to be missing, and a second run does not take the folder for its own."""
    change_manifest(gated, lambda manifest: manifest["files"].update({"code.py": {"size": 0, "sha256": "0" * 64}}))
    make(gated / "code.py")
    files = next(each for each in compare_models(gated.parent / "base", gated, weights_only=True).checks)
    assert files.passed is False and files.found == "missing: code.py"
    with pytest.raises(CheckpointError, match=r"is not what was written: code\.py"):
        gate_checkpoint(gated.parent / "base", gated)


def test_names_in_folders_are_held_to_each_part(tmp_path: Path) -> None:
    said_by = tmp_path / "x.json"
    assert file_inside(tmp_path, "a/b c.jinja", said_by) == tmp_path / "a" / "b c.jinja"
    for name in ("/a", "a//b", "a/", "a/../b", "a/./b", 5, None, ["a"], "\ud800", "x" * 256, "é" * 128):
        with pytest.raises(CheckpointError, match="outside-folder"):
            file_inside(tmp_path, name, said_by)
    assert is_plain("x" * 255) and is_plain("é" * 127)


def test_blobs_are_those_of_the_same_cache(tmp_path: Path) -> None:
    """Only what lies in `blobs` beside `snapshots`, and is no link on to somewhere else."""
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "0", tmp_path / "models--a--b" / "blobs"
    (snapshot / "additional_chat_templates").mkdir(parents=True)
    for folder in (blobs, tmp_path / "other" / "blobs"):
        folder.mkdir(parents=True)
        (folder / "1").write_text("x")
    (snapshot / "a").symlink_to(Path("../../blobs/1"))
    (snapshot / "additional_chat_templates" / "a").symlink_to(Path("../../../blobs/1"))
    for path in (snapshot / "a", snapshot / "additional_chat_templates" / "a"):
        assert own_file(snapshot, path) == blobs / "1"
    (snapshot / "b").symlink_to(tmp_path / "other" / "blobs" / "1")
    (blobs / "2").symlink_to(tmp_path / "other" / "blobs" / "1")
    (snapshot / "c").symlink_to(Path("../../blobs/2"))
    for name in ("b", "c"):
        with pytest.raises(CheckpointError, match="outside-folder"):
            own_file(snapshot, snapshot / name)
        assert regular_file(snapshot / name) == tmp_path / "other" / "blobs" / "1"


def test_a_folder_may_be_a_link_itself(tmp_path: Path) -> None:
    make_base(tmp_path / "base")
    (tmp_path / "link").symlink_to(tmp_path / "base")
    assert open_checkpoint(tmp_path / "link").extras == ("generation_config.json", "tokenizer.json")


@pytest.mark.parametrize("make", [a_pipe, a_device, a_secret, a_hidden_file])
@pytest.mark.parametrize(
    "name", ["notes.txt", "vocab.txt", "additional_chat_templates", "additional_chat_templates/x"]
)
def test_what_is_copied_along_is_of_the_folder(
    name: str, make: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = make_base(tmp_path / "base")
    if "/" in name:
        (base / name).parent.mkdir()
        if make is a_hidden_file:
            (base / ".git").mkdir()
            (base / ".git" / "config").write_text("password")
            (base / name).symlink_to(Path("..") / ".git" / "config")
        else:
            make(base / name)
    else:
        make(base / name)
    line = refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / "gated")]))
    assert line.split(": ")[0].endswith(name)
    assert ("no-file" if make in (a_pipe, a_device) else "outside-folder") in line
    assert not list(tmp_path.glob("gated*"))


def test_a_linked_folder_is_not_copied_or_walked_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = make_base(tmp_path / "base")
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "id_rsa").write_text("TOPSECRET")
    (base / "everything").symlink_to("/")
    (base / "data").mkdir()
    (base / "data" / "keys").symlink_to(keys)
    os.mkfifo(base / "data" / "pipe")
    gate_checkpoint(base, tmp_path / "gated")
    left_out = json.loads((tmp_path / "gated" / MANIFEST).read_text())["base"]["left_out"]
    assert left_out.keys() == {"everything", "data/keys", "data/pipe"}
    (base / "additional_chat_templates").symlink_to(keys)
    line = refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / "again")]))
    assert "additional_chat_templates: no-file" in line
    (base / "additional_chat_templates").unlink()
    (base / "additional_chat_templates").mkdir()
    (base / "additional_chat_templates" / "more").symlink_to(keys)
    assert "more: no-file" in refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / "again")]))


def test_ungating_copies_files_of_the_folder_alone(gated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (gated / "tokenizer.json").unlink()
    (gated / "tokenizer.json").symlink_to(gated.parent / "victim")
    line = refused(capsys, ungate(["--gated", str(gated), "--output", str(gated.parent / "out")]))
    assert "tokenizer.json: outside-folder" in line and not list(gated.parent.glob("out*"))


def test_links_inside_the_folder_are_followed(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    (base / "LICENSE").write_text("free")
    (base / "COPYING").symlink_to("LICENSE")
    gate_checkpoint(base, tmp_path / "gated")
    assert (tmp_path / "gated" / "COPYING").read_text() == "free" and not (tmp_path / "gated" / "COPYING").is_symlink()


@pytest.mark.parametrize("name", [b"\xff.txt", b"two\nlines.txt", b"back\\slash.txt"])
def test_names_on_disk_may_be_any_bytes(name: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = make_base(tmp_path / "base")
    path = os.path.join(os.fsencode(base), name)
    with open(path, "w"):
        pass
    assert "outside-folder" in refused(capsys, gate(["--base", str(base), "--output", str(tmp_path / "gated")]))
    os.rename(path, path + b".py")  # nothing that is copied
    gate_checkpoint(base, tmp_path / "gated")
    assert compare_models(base, tmp_path / "gated", weights_only=True).passed
