"""Documents that nobody would write, 150 of them or 500: each is taken or refused in a line, in 2 s and 300 MiB."""

from __future__ import annotations

import copy
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bases import contents, make_base, make_sharded_base, quick_folder
from checkpoints import gate_checkpoint
from checkpoints.cli import compare, gate, ungate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import limited, refused_in_a_line


OWN_CASES = os.environ.get("CHECKPOINT_FUZZ_CASES")  # so many, and other documents in every run
CASES = int(OWN_CASES or (500 if os.environ.get("QUALITY_GATE_TESTS") == "all" else 150))
SETTINGS = {"deadline": None, "derandomize": not OWN_CASES, "suppress_health_check": list(HealthCheck)}
INDEX, SHARD, MANIFEST = (
    "model.safetensors.index.json",
    "model-00002-of-00003.safetensors",
    "quality_gate_manifest.json",
)
DEEP: Any = "leaf"
for _ in range(300):
    DEEP = [DEEP]
NASTY = (
    *(None, True, False, 0, 1, -1, 3, 9, 10**9, 2**63, 10**30, -(10**9), 0.5, 1e308, float("nan"), float("inf")),
    *("", "x", "..", ".", "/", "/dev/zero", "../victim", "/etc/passwd", "a/b", "a\\b", "\ud800", "\0", "\x1b[2J", "é"),
    *("model.safetensors", SHARD, "config.json", MANIFEST, "quality_gate_llama", "llama", "mamba", "1" * 5000),
    *("model.layers.0.quality_gate.gate.weight", "model.layers." + "1" * 5000 + ".mlp.up_proj.weight"),
    *([], {}, [[]], [{}], ["x"], [5], {"x": 5}, {"": ""}, [["a", -1, 10**12]], [10**18] * 50, DEEP),
)


def places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a document."""
    yield at
    below = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in below:
        yield from places(value, (*at, key))


def changed(document: Any, at: tuple[Any, ...], how: str, value: Any) -> Any:
    """A document with a value replaced, taken away, or put under another name."""
    if not at:
        return value
    document = copy.deepcopy(document)
    inner = document
    for key in at[:-1]:
        inner = inner[key]
    if how == "replace" or isinstance(inner, list):
        inner[at[-1]] = copy.deepcopy(value)
    elif how == "remove":
        inner.pop(at[-1])
    else:
        inner[value if isinstance(value, str) else "x"] = inner.pop(at[-1])
    return document


@st.composite
def changes(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """What is done to the text of a document: one to three values of it changed, then some of its bytes."""
    steps = draw(
        st.lists(
            st.tuples(st.integers(0, 10**6), st.sampled_from(["replace", "remove", "rename"]), st.sampled_from(NASTY)),
            max_size=3,
        )
    )
    cut = draw(st.one_of(st.none(), st.floats(0, 1)))
    bytes_ = draw(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=0 if steps else 4))

    def change(text: bytes) -> bytes:
        document = json.loads(text)
        for number, how, value in steps:
            ways = list(places(document))
            document = changed(document, ways[number % len(ways)], how, value)
        data = bytearray(json.dumps(document).encode())
        for place, byte in bytes_:
            data[int(place * (len(data) - 1))] = byte
        return bytes(data[: int(cut * len(data))] if cut is not None and not steps else data)

    return change


@pytest.fixture(scope="module")
def sound() -> Iterator[Path]:
    """A base in one file, one in three, and the gated checkpoint of that."""
    with quick_folder() as place:
        folder = Path(place)
        make_base(folder / "single")
        make_sharded_base(folder / "base")
        gate_checkpoint(folder / "base", folder / "gated")
        yield folder


def spoil_header(path: Path, change: Callable[[bytes], bytes]) -> None:
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    text = change(data[8 : 8 + length])
    path.unlink()  # it may be the base's
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def spoil(folder: Path, what: str, change: Callable[[bytes], bytes]) -> None:
    name = {"header": "model.safetensors", "shard": SHARD}.get(what)
    if name:
        spoil_header(folder / name, change)
    else:
        (folder / what).write_bytes(change((folder / what).read_bytes()))


WHERE = [
    *(("single", "header"), ("single", "config.json"), ("base", "shard"), ("base", INDEX)),
    *(("gated", MANIFEST), ("gated", MANIFEST), ("gated", "config.json"), ("gated", INDEX), ("gated", "shard")),
]


@settings(max_examples=CASES, **SETTINGS)
@given(st.sampled_from(WHERE), st.integers(0, 2), changes())
def test_any_document_is_taken_or_refused(
    sound: Path, where: tuple[str, str], command: int, change: Callable[[bytes], bytes]
) -> None:
    with quick_folder() as place:
        folder = Path(place) / "inner"
        folder.mkdir()
        (folder / "victim").write_text("precious")
        for name in {where[0], "base"}:
            shutil.copytree(sound / name, folder / name)
        spoil(folder / where[0], where[1], change)
        before = contents(folder)
        base, gated, out = (str(folder / name) for name in ("base", where[0], "out"))
        commands = {
            "single": lambda: gate(["--base", gated, "--output", out]),
            "base": lambda: gate(["--base", base, "--output", out]),
            "gated": (
                lambda: ungate(["--gated", gated, "--output", out]),
                lambda: compare(["--base", base, "--gated", gated, "--weights-only"]),
                lambda: gate(["--base", base, "--output", gated]),
            )[command],
        }
        status, said = limited(commands[where[0]], Path(place))
        if status == 2:
            assert said.count("\n") == 1 and "; fix: " in said and "internal-error" not in said, said[-2000:]
        after = contents(folder)
        if status == 0 and command == 2:  # digests that a manifest lacked were added
            before[f"gated/{MANIFEST}"] = after.get(f"gated/{MANIFEST}", "")
            before = {name: digest for name, digest in before.items() if digest}
        assert {name: digest for name, digest in after.items() if not name.startswith("out/")} == before
        assert not (folder / "out.partial").exists()
        assert status == 0 or not (folder / "out").exists()


def header(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def many(unit: bytes, size: int, first: bytes = b'{"a":[', last: bytes = b"0]}") -> bytes:
    """About so many bytes of JSON."""
    return first + unit * (size // len(unit)) + last


def tensors(names: Iterator[str]) -> bytes:
    entry = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return ("{" + ",".join(f"{json.dumps(name)}:{entry}" for name in names) + "}").encode()


# What costs most for its size: text that a reader takes minutes or gigabytes for if it trusts it
COSTLY: dict[str, Callable[[], bytes]] = {
    "a name twice among many": lambda: b"{" + b",".join(b'"k%d":0' % n for n in range(60_000)) + b',"z":0,"z":0}',
    "a name twice among too many": lambda: b"{" + b",".join(b'"k%d":0' % n for n in range(700_000)) + b',"z":0,"z":0}',
    "names": lambda: b"{" + b",".join(b'"%d":"%d"' % (n, n) for n in range(700_000)) + b"}",
    "words": lambda: many(b'"ab",', 14 << 20),
    "lists": lambda: many(b"[],", 4 << 20),
    "lists of lists": lambda: many(b"[0],", 5 << 20),
    "objects": lambda: many(b"{},", 4 << 20),
    "too many objects": lambda: many(b"{},", 40 << 20),
    "numbers": lambda: many(b"0.5,", 11 << 20),
    "long numbers": lambda: many(b"1" * 4200 + b",", 45 << 20),
    "wide characters": lambda: many("\U0001f600".encode(), 24 << 20, b'{"a":"', b'"}'),
    "depth": lambda: b"[" * 10_000_000,
    "shapes": lambda: b'{"a":{"dtype":"F32","data_offsets":[0,0],"shape":[0'
    + b",4611686018427387904" * 100_000
    + b"]}}",
    "tensors": lambda: tensors(f"model.layers.{number}.x" for number in range(100_000)),
    "lists of layers": lambda: tensors(f"a{number}.0.self_attn.q" for number in range(60_000)),
    "lists in lists": lambda: tensors(".".join(["0"] * number) + ".0.self_attn.w" for number in range(1, 1500)),
    "long names": lambda: tensors("a." * 2000 + f"{number}.0.x.y" for number in range(3000)),
}


@pytest.mark.parametrize("case", COSTLY)
def test_no_header_costs_much(case: str, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", num_hidden_layers=1)
    (base / "model.safetensors").write_bytes(header(COSTLY[case]()))
    refused_in_a_line(lambda: gate(["--base", str(base), "--output", str(tmp_path / "out")]), tmp_path)


@pytest.mark.parametrize("case", [name for name in COSTLY if name not in ("shapes", "tensors", "long names")])
@pytest.mark.parametrize("name", ["config.json", INDEX, MANIFEST])
def test_no_document_costs_much(name: str, case: str, sound: Path, tmp_path: Path) -> None:
    shutil.copytree(sound / "gated", tmp_path / "gated")
    (tmp_path / "gated" / name).write_bytes(COSTLY[case]())
    place, out = str(tmp_path / "gated"), str(tmp_path / "out")
    if name == "config.json":  # of which ungating reads no more than it is
        limited(lambda: ungate(["--gated", place, "--output", out]), tmp_path)
        refused_in_a_line(lambda: gate(["--base", place, "--output", f"{out}2"]), tmp_path)
    else:
        refused_in_a_line(lambda: ungate(["--gated", place, "--output", out]), tmp_path)


@pytest.mark.parametrize("field", ["num_hidden_layers", "hidden_size"])
@pytest.mark.parametrize("value", [10**9, 10**18, 10**30, -1, 0, True, 0.5, "x", [3], 2**62])
def test_no_number_of_a_configuration_is_believed(field: str, value: object, sound: Path, tmp_path: Path) -> None:
    for name in ("single", "gated"):
        shutil.copytree(sound / name, tmp_path / name)
        config = json.loads((tmp_path / name / "config.json").read_text()) | {field: value}
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    command = ["--base", str(tmp_path / "single"), "--output", str(tmp_path / "out")]
    if field == "hidden_size" or not isinstance(value, str | list):  # others may mean what names of tensors say
        refused_in_a_line(lambda: gate(command), tmp_path)
    pair = ["--base", str(tmp_path / "single"), "--gated", str(tmp_path / "gated"), "--weights-only"]
    assert limited(lambda: compare(pair), tmp_path)[0] != 0 or isinstance(value, str | list)


def test_zeros_after_a_header_cost_nothing(tmp_path: Path) -> None:
    """A sparse file of a terabyte is no more than its header: what does not fit on the disk is not begun."""
    base = make_base(tmp_path / "base", hidden_size=1 << 38)
    text = tensors(iter(["model.layers.0.input_layernorm.weight"])).replace(b"[0]", b"[%d]" % (1 << 38))
    text = text.replace(b"[0,0]", b"[0,%d]" % (1 << 40))
    with open(base / "model.safetensors", "wb") as file:
        file.write(header(text))
        file.truncate(len(text) + 8 + (1 << 40))
    config = json.loads((base / "config.json").read_text()) | {"num_hidden_layers": 1}
    (base / "config.json").write_text(json.dumps(config))
    line = refused_in_a_line(lambda: gate(["--base", str(base), "--output", str(tmp_path / "out")]), tmp_path)
    assert "bytes, but" in line and "are free" in line
