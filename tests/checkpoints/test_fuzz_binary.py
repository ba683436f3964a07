"""Pickles and GGUF files that nobody would write: each is taken or refused in a line, in bounded time and memory."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gguf  # with what follows: loaded before processes are forked, so that it counts for none of them
import pytest
import torch
from bases import llama_tensors, make_base, quick_folder
from checkpoints import ggufs, pickles
from checkpoints.cli import gate
from checkpoints.gguf_headers import check_gguf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import limited, refused_in_a_line
from test_streaming import write_gguf


assert gguf and ggufs and pickles
SETTINGS = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}
TEXT = struct.pack("<Q", 20) + b"general.architecture" + struct.pack("<I", 8) + struct.pack("<Q", 5) + b"llama"


def field(name: bytes, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + value


def gguf_file(*fields: bytes, tensors: bytes = b"", count: int = 0, more: int = 0) -> bytes:
    """A file with an architecture and these fields."""
    return b"GGUF" + struct.pack("<IQQ", 3, count, len(fields) + 1 + more) + TEXT + b"".join(fields) + tensors


LIST, STRING = 9, 8
NESTED = b"".join(struct.pack("<IQ", LIST, 1) for _ in range(1000)) + struct.pack("<IQ", 0, 0)
BAD_GGUFS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is not a GGUF file"),
    "no architecture": (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "does not say which architecture"),
    "architecture a number": (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + field(b"general.architecture", 4, struct.pack("<I", 7)),
        "does not say which architecture",
    ),
    "a list of 2^40 numbers": (
        gguf_file(field(b"x", LIST, struct.pack("<IQ", 0, 1 << 40))),
        "too-large: has lists of",
    ),
    "a list of 2^40 texts": (gguf_file(field(b"x", LIST, struct.pack("<IQ", STRING, 1 << 40))), "too-large"),
    "a list of 2^20 texts, cut": (
        gguf_file(field(b"x", LIST, struct.pack("<IQ", STRING, 1 << 20))),
        "ends in the middle",
    ),
    "lists in lists": (gguf_file(field(b"x", LIST, NESTED)), "a field of the kind 9"),
    "a long text": (gguf_file(field(b"x", STRING, struct.pack("<Q", 1 << 60))), "a text of"),
    "an unknown kind": (gguf_file(field(b"x", 77, b"")), "a field of the kind 77"),
    "2^40 fields": (gguf_file(more=1 << 40), "too-large"),
    "2^40 tensors": (gguf_file(count=1 << 40), "too-large"),
    "a tensor of 2^32 dimensions": (
        gguf_file(tensors=struct.pack("<Q", 1) + b"x" + struct.pack("<I", (1 << 32) - 1), count=1),
        "dimensions",
    ),
    "a tensor of 2^62 numbers": (
        gguf_file(tensors=struct.pack("<Q", 1) + b"x" + struct.pack("<IQIQ", 1, 1 << 62, 0, 0), count=1),
        "is larger than the file",
    ),
    "another version": (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "is of version 9"),
}


@pytest.mark.parametrize("case", BAD_GGUFS)
def test_a_bad_gguf_file_is_refused(case: str, tmp_path: Path) -> None:
    data, reason = BAD_GGUFS[case]
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "x.gguf").write_bytes(data)
    command = ["--base", str(tmp_path / "base"), "--output", str(tmp_path / "out")]
    assert reason in refused_in_a_line(lambda: gate(command), tmp_path)


@pytest.fixture(scope="module")
def sound_gguf() -> Iterator[Path]:
    with quick_folder() as place:
        write_gguf(Path(place) / "tiny.gguf")
        check_gguf(Path(place) / "tiny.gguf")
        yield Path(place) / "tiny.gguf"


@settings(max_examples=60, **SETTINGS)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6), st.floats(0.2, 3))
def test_any_damage_to_a_gguf_file(sound_gguf: Path, damage: list[tuple[float, int]], kept: float) -> None:
    """Bytes changed before the tensors, and the end cut off in a quarter of the cases."""
    data = bytearray(sound_gguf.read_bytes())
    begin = len(data) - 60_000 if len(data) > 70_000 else len(data) // 2
    for place, byte in damage:
        data[int(place * begin)] = byte
    with quick_folder() as place:
        (Path(place) / "base").mkdir()
        (Path(place) / "base" / "x.gguf").write_bytes(data[: int(kept * len(data))])
        command = ["--base", f"{place}/base", "--output", f"{place}/out", "--dry-run"]
        status, said = limited(lambda: gate(command), Path(place), seconds=10)
        assert status == 0 or (said.count("; fix: ") == 1 and "internal-error" not in said), said[-2000:]


def test_a_gguf_file_builds_no_more_layers_than_it_has(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    write_gguf(base / "x.gguf")
    data = (base / "x.gguf").read_bytes()
    at = data.index(b"llama.block_count") + len(b"llama.block_count") + 4
    (base / "x.gguf").write_bytes(data[:at] + struct.pack("<I", 10**9) + data[at + 4 :])
    command = ["--base", str(base), "--output", str(tmp_path / "out")]
    assert "bad-config" in refused_in_a_line(lambda: gate(command), tmp_path)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (1 << 34,)


def packed(path: Path) -> None:
    """The same archive with everything in it packed, and a gigabyte of zeros for its list of tensors."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1 << 28))


def overlapping(path: Path) -> None:
    torch.save(weights() | {"wide": torch.ones(1).expand(1 << 40)}, path)


def weights() -> dict[Any, Any]:
    return {name: torch.from_numpy(array) for name, array in llama_tensors().items()}


def truncated(path: Path, share: float, new: bool = True) -> None:
    torch.save(weights(), path, _use_new_zipfile_serialization=new)
    os.truncate(path, int(path.stat().st_size * share))


BAD_PICKLES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no tensors": (lambda path: torch.save([1], path), "holds a list, not tensors by name"),
    "without bytes": (lambda path: torch.save(weights() | {"m": torch.ones(3, device="meta")}, path), "no bytes"),
    "far more numbers than bytes": (overlapping, "for which there are no bytes"),
    "half a character": (
        lambda path: torch.save(weights() | {"\ud800": torch.ones(1)}, path),
        "not the name of a tensor",
    ),
    "a long name": (
        lambda path: torch.save(weights() | {"x" * 5000: torch.ones(1)}, path),
        "not the name of a tensor",
    ),
    "memory": (lambda path: torch.save(weights() | {"x": Bomb()}, path), "cannot be read: MemoryError"),
    "packed": (packed, "is packed, as no file of torch's is"),
    "an archive of something else": (lambda path: zipfile.ZipFile(path, "w").writestr("x", "y"), "cannot be read"),
    "no pickle": (lambda path: path.write_bytes(b"\x80\x04" + b"(" * 100), "fix"),
    "a pickle of no torch": (lambda path: path.write_bytes(pickle.dumps({1: 2})), "fix"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read"),
    **{
        f"truncated to {share:.0%}": (partial(truncated, share=share), "it is truncated") for share in (0.3, 0.6, 0.99)
    },
    "of an old torch, truncated": (partial(truncated, share=0.6, new=False), "model.bin: cannot be read"),
}


@pytest.mark.parametrize("case", BAD_PICKLES)
def test_a_bad_pickle_is_refused(case: str, tmp_path: Path) -> None:
    write, reason = BAD_PICKLES[case]
    base = make_base(tmp_path / "base")
    (base / "model.safetensors").unlink()
    write(base / "pytorch_model.bin")
    command = ["--base", str(base), "--output", str(tmp_path / "out")]
    assert reason in refused_in_a_line(lambda: gate(command), tmp_path)


def test_keys_of_any_kind_are_left_out(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    (base / "model.safetensors").unlink()
    others = {1: torch.ones(2), ("a", 2): torch.ones(1), None: 5, "step": 7, "\ud800": 3}
    torch.save(others | weights(), base / "pytorch_model.bin")
    assert limited(lambda: gate(["--base", str(base), "--output", str(tmp_path / "out")]), tmp_path)[0] == 0
    left_out = (tmp_path / "out" / "quality_gate_manifest.json").read_text()
    assert "is not called by a name, but by int" in left_out and "is not called by a name, but by tuple" in left_out


@settings(max_examples=60, **SETTINGS)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6), st.booleans())
def test_any_damage_to_a_pickle(damage: list[tuple[float, int]], old: bool) -> None:
    with quick_folder() as place:
        base = make_base(Path(place) / "base")
        (base / "model.safetensors").unlink()
        torch.save(weights(), base / "pytorch_model.bin", _use_new_zipfile_serialization=not old)
        data = bytearray((base / "pytorch_model.bin").read_bytes())
        for at, byte in damage:
            data[int(at * (len(data) - 1))] = byte
        (base / "pytorch_model.bin").write_bytes(data)
        command = ["--base", str(base), "--output", f"{place}/out", "--dry-run"]
        status, said = limited(lambda: gate(command), Path(place))
        assert status == 0 or (said.count("; fix: ") == 1 and "internal-error" not in said), said[-2000:]
