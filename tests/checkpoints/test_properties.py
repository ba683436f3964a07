"""Any tensors in any shards: every byte of the base is in the gated checkpoint, and comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from bases import GATES, contents, llama_tensors, make_base, quick_folder, read_index, write_index
from checkpoints import CheckpointError, Options, compare_models, gate_checkpoint, ungate_checkpoint
from checkpoints.casting import target_dtype
from checkpoints.headers import BITS, Tensor, encode_header, read_header
from checkpoints.layout import open_checkpoint
from checkpoints.opening import open_tensors
from checkpoints.tensors import cast_chunks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open


REQUIRED = [Tensor(name, "F32", array.shape) for name, array in llama_tensors().items()]
WHOLE_BYTES = sorted(name for name, bits in BITS.items() if bits >= 8 and "FNUZ" not in name)
NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12).map("x.".__add__)
SETTINGS = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


@st.composite
def tensor_sets(draw: st.DrawFn) -> list[Tensor]:
    """What a Llama needs, and others of any name, type and shape, empty ones and scalars included; shuffled."""
    extra = draw(st.lists(NAMES, unique=True, max_size=8))
    shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
    others = [Tensor(name, draw(st.sampled_from(WHOLE_BYTES)), draw(shapes)) for name in extra]
    return draw(st.permutations(REQUIRED + others))


@st.composite
def layouts(draw: st.DrawFn) -> list[list[Tensor]]:
    """Tensors dealt to some shards, none of them empty."""
    tensors = draw(tensor_sets())
    count = draw(st.integers(1, 5))
    places = [draw(st.integers(0, count - 1)) for _ in tensors]
    shards = [[tensor for tensor, place in zip(tensors, places, strict=True) if place == at] for at in range(count)]
    return [shard for shard in shards if shard]


def write_base(folder: Path, shards: list[list[Tensor]], seed: int) -> Path:
    """A base with random bytes in its tensors."""
    make_base(folder)
    random = np.random.default_rng(seed)
    single = len(shards) == 1
    (folder / "model.safetensors").unlink()
    weight_map = {}
    for number, shard in enumerate(shards, 1):
        name = "model.safetensors" if single else f"model-{number:05}-of-{len(shards):05}.safetensors"
        data = b"".join(random.bytes(tensor.size) for tensor in shard)
        (folder / name).write_bytes(encode_header(shard, {"format": "pt"}) + data)
        weight_map |= {tensor.name: name for tensor in shard}
    if not single:
        write_index(folder, weight_map)
    return folder


def bytes_of(folder: Path, dtype: str = "keep") -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Every tensor of a checkpoint: type, shape, bytes."""
    tensors = open_tensors(open_checkpoint(folder))
    found = {}
    for name, tensor in tensors.known.items():
        kind = target_dtype(tensor.dtype, dtype)
        found[name] = kind, tensor.shape, b"".join(cast_chunks(tensors, name, kind))
    return found


@settings(max_examples=50, **SETTINGS)
@given(layouts(), st.sampled_from(["hard", "symlink", "copy"]), st.integers(0, 2**32 - 1))
def test_any_checkpoint_is_gated_and_comes_back(shards: list[list[Tensor]], link: str, seed: int) -> None:
    with quick_folder() as place:
        base, gated, again = (Path(place) / name for name in ("base", "gated", "again"))
        write_base(base, shards, seed)
        before, wanted = contents(base), bytes_of(base)
        gate_checkpoint(base, gated, options=Options(link=link, seed=seed))
        found = bytes_of(gated)
        assert found.keys() == wanted.keys() | set(GATES)
        assert all(found[name] == wanted[name] for name in wanted)
        for name, file in read_index(gated).items():  # another reader of the format agrees
            with safe_open(gated / file, "np") as opened:
                assert name in opened.keys()
        assert compare_models(base, gated, weights_only=True).passed
        ungate_checkpoint(gated, again)
        assert contents(again) == before == contents(base)


@settings(max_examples=30, **SETTINGS)
@given(layouts(), st.sampled_from(["F16", "BF16", "F32"]))
def test_any_checkpoint_is_cast(shards: list[list[Tensor]], dtype: str) -> None:
    names = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}
    with quick_folder() as place:
        base, gated = Path(place) / "base", Path(place) / "gated"
        write_base(base, shards, 0)
        gate_checkpoint(base, gated, options=Options(dtype=names[dtype]))
        found, wanted = bytes_of(gated), bytes_of(base, dtype)
        assert {name: found[name] for name in wanted} == wanted
        assert all(found[name][0] == "F32" for name in GATES)
        assert compare_models(base, gated, weights_only=True).passed


@settings(max_examples=100, **SETTINGS)
@given(tensor_sets())
def test_headers_are_read_as_they_were_written(tensors: list[Tensor]) -> None:
    with quick_folder() as place:
        path = Path(place) / "x.safetensors"
        path.write_bytes(encode_header(tensors, {"a": "b"}) + bytes(sum(tensor.size for tensor in tensors)))
        header = read_header(path)
        assert set(header.tensors.values()) == set(tensors) and header.metadata == {"a": "b"}
        with safe_open(path, "np") as opened:
            assert set(opened.keys()) == {tensor.name for tensor in tensors}


@settings(max_examples=150, **SETTINGS)
@given(st.data())
def test_damage_anywhere_is_refused_or_harmless(data: st.DataObject) -> None:
    """A byte of a header changed, a tail cut off: never a crash, and never a tensor of another length."""
    tensors = REQUIRED[:4]
    with quick_folder() as place:
        path = Path(place) / "x.safetensors"
        head, body = encode_header(tensors, {"format": "pt"}), bytes(sum(tensor.size for tensor in tensors))
        damaged = bytearray(head + body)
        at = data.draw(st.integers(0, len(head) - 1))
        damaged[at] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, len(damaged)))
        path.write_bytes(damaged[:cut] if data.draw(st.booleans()) else damaged)
        try:
            header = read_header(path)
        except CheckpointError as error:
            assert "; fix: " in str(error)
        else:
            assert sum(tensor.size for tensor in header.tensors.values()) == len(body)
