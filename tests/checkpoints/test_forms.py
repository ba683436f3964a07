"""What documents of strangers must look like, field by field, and what a comparison says of a bank."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bases import llama_tensors, make_base
from checkpoints import CheckpointError
from checkpoints.forms import check_config, check_manifest, check_promises, is_count, is_shard_name
from checkpoints.layout import open_checkpoint
from checkpoints.paths import file_inside, is_plain
from checkpoints.progress import Progress
from checkpoints.weights import compare_weights


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        (0, True),
        (2**63 - 1, True),
        (2**63, False),
        (-1, False),
        (True, False),
        (1.0, False),
        ("1", False),
        (None, False),
        (math.inf, False),
    ],
)
def test_counts_are_whole_numbers_that_files_can_have(value: Any, is_one: bool) -> None:
    assert is_count(value) is is_one


@pytest.mark.parametrize(
    ("name", "plain", "shard"),
    [
        ("model-00001-of-00002.safetensors", True, True),
        ("a b.safetensors", True, False),
        (".safetensors", True, False),
        ("model.bin", True, False),
        ("é.safetensors", True, True),
        ("", False, False),
        (".", False, False),
        ("..", False, False),
        ("a/b.safetensors", False, False),
        ("/a.safetensors", False, False),
        ("a\\b.safetensors", False, False),
        ("a\n.safetensors", False, False),
        ("a\0.safetensors", False, False),
        ("\ud800.safetensors", False, False),
        ("é" * 123 + ".safetensors", False, False),
        (5, False, False),
        (None, False, False),
        (["a.safetensors"], False, False),
    ],
)
def test_names_are_of_files_in_the_folder_and_nothing_else(name: object, plain: bool, shard: bool) -> None:
    assert is_plain(name) is plain and is_shard_name(name) is shard
    if plain:
        assert file_inside(Path("folder"), name, Path("said.json")) == Path("folder") / str(name)
    elif name != "a/b.safetensors":  # several plain names
        with pytest.raises(CheckpointError, match=r"^said\.json"):
            file_inside(Path("folder"), name, Path("said.json"))


CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"num_hidden_layers": 4, "hidden_size": 8, "architectures": ["A"], "quantization_config": {}}, ""),
    ({"architectures": None, "quantization_config": None, "text_config": None}, ""),
    ({"num_hidden_layers": [4, 5]}, ""),  # of some configurations a list, which is told where it is used
    ({"num_hidden_layers": -1}, "`num_hidden_layers` is -1"),
    ({"num_hidden_layers": True}, "`num_hidden_layers` is True"),
    ({"hidden_size": 1 << 70}, "`hidden_size` is"),
    ({"hidden_size": 8.0}, "`hidden_size` is 8.0"),
    ({"architectures": "A"}, "`architectures` is 'A'"),
    ({"architectures": [1]}, "`architectures` is [1]"),
    ({"quantization_config": 4}, "`quantization_config` is 4"),
    ({"quality_gate_init_mean": math.nan}, "`quality_gate_init_mean` is nan"),
    ({"quality_gate_init_std": "0.1"}, "`quality_gate_init_std` is '0.1'"),
    ({"text_config": 3}, "`text_config` is 3"),
    ({"text_config": {"n_layer": -2}}, "`text_config.n_layer` is -2"),
    ({"text_config": {"d_model": 8}}, ""),
]


@pytest.mark.parametrize(("config", "said"), CONFIGS, ids=range(len(CONFIGS)))
def test_fields_of_a_configuration_are_of_their_kinds_or_missing(config: dict[str, Any], said: str) -> None:
    if not said:
        check_config(Path("config.json"), config)
        return
    with pytest.raises(CheckpointError) as error:
        check_config(Path("config.json"), config)
    assert said in str(error.value) and error.value.code == "bad-config"


@pytest.mark.parametrize(
    ("config", "weights", "is_fine"),
    [
        ({"num_hidden_layers": 1000}, 5, True),
        ({"num_hidden_layers": 1001}, 5, False),
        ({"num_hidden_layers": 1001}, 1001, True),
        ({"text_config": {"num_experts": 10**9}}, 5, False),
        ({"n_blocks": 10**9}, 5, False),
        ({"vocab_size": 10**9}, 5, True),
        ({"num_layers": "many"}, 5, True),
    ],
)
def test_no_more_modules_are_built_than_there_are_weights(config: dict[str, Any], weights: int, is_fine: bool) -> None:
    if is_fine:
        check_promises(Path("config.json"), config, weights)
        return
    with pytest.raises(CheckpointError, match="fetch configuration and weights of one model"):
        check_promises(Path("config.json"), config, weights)


WHOLE: dict[str, Any] = {
    **{
        "fingerprint": "ab",
        "method": "overlay",
        "model_type": "quality_gate_llama",
        "dtype": "F32",
        "experts": "keep",
    },
    "base": {"source": "x", "model_type": "llama", "format": "safetensors", "files": {"a": "b"}, "left_out": {}},
    "gates": {"file": "gates.safetensors", "tensors": ["g"]},
    "files": {
        "model.safetensors": {
            "size": 3,
            "sha256": "a" * 64,
            "from": "other.safetensors",
            "how": "hard",
            "modified": 5,
        },
        "tokenizer.json": {"size": 0, "sha256": None},
    },
    "tensors": {
        "g": {"file": "gates.safetensors", "dtype": "F32", "shape": [1, 8]},
        "e": {"file": "a.safetensors", "dtype": "F32", "shape": [], "parts": [["x", 0, None], ["y", 1, 2]]},
    },
}
ENTRY, TENSOR = ("files", "model.safetensors"), ("tensors", "g")
GONE = object()
WRONG: list[tuple[tuple[str, ...], Any, str]] = [
    *[((name,), GONE, name) for name in ("fingerprint", "experts", "base", "gates", "files", "tensors")],
    *[((name,), 3, name) for name in ("method", "dtype", "base", "gates", "files", "tensors")],
    (("base", "format"), GONE, "base.format"),
    (("base", "files"), {"a": 3}, "base.files"),
    (("base", "left_out"), [], "base.left_out"),
    (("gates", "file"), "../gates.safetensors", "gates.file"),
    (("gates", "tensors"), "g", "gates.tensors"),
    (("gates", "tensors"), [1], "gates.tensors"),
    (ENTRY, 3, "files['model.safetensors']"),
    ((*ENTRY, "size"), GONE, ".size"),
    ((*ENTRY, "size"), -1, ".size"),
    ((*ENTRY, "sha256"), GONE, ".sha256"),
    ((*ENTRY, "sha256"), "A" * 64, ".sha256"),
    ((*ENTRY, "sha256"), "a" * 63, ".sha256"),
    ((*ENTRY, "from"), "/etc/passwd", ".from"),
    ((*ENTRY, "from"), ["other.safetensors"], ".from"),
    ((*ENTRY, "how"), "move", ".how"),
    ((*ENTRY, "how"), ["hard"], ".how"),
    ((*ENTRY, "modified"), 1.5, ".modified"),
    (TENSOR, [], "tensors['g']"),
    ((*TENSOR, "file"), "a/b.safetensors", ".file"),
    ((*TENSOR, "shape"), [1, -8], ".shape"),
    ((*TENSOR, "shape"), "18", ".shape"),
    ((*TENSOR, "cast_from"), None, ".cast_from"),
    ((*TENSOR, "parts"), [], ".parts"),
    ((*TENSOR, "parts"), [["x", 0]], ".parts"),
    ((*TENSOR, "parts"), [["x", None, None]], ".parts"),
    ((*TENSOR, "parts"), [[1, 0, 2]], ".parts"),
    ((*TENSOR, "parts"), [["x", 0, -1]], ".parts"),
]


@pytest.mark.parametrize(("place", "value", "said"), WRONG, ids=range(len(WRONG)))
def test_a_manifest_is_as_it_was_written_or_refused(place: tuple[str, ...], value: Any, said: str) -> None:
    found = copy.deepcopy(WHOLE)
    check_manifest(Path("folder"), Path("manifest.json"), found)
    entry: Any = found
    for name in place[:-1]:
        entry = entry[name]
    if value is GONE:
        del entry[place[-1]]
    else:
        entry[place[-1]] = value
    with pytest.raises(CheckpointError) as error:
        check_manifest(Path("folder"), Path("manifest.json"), found)
    assert error.value.code == "bad-manifest" and f"{said} is missing, or has something else in its place" in str(
        error.value
    )


def test_no_two_files_of_a_manifest_come_from_one() -> None:
    found = copy.deepcopy(WHOLE)
    found["files"]["second.safetensors"] = dict(found["files"]["model.safetensors"])
    with pytest.raises(CheckpointError, match="a `from` of its own for every file"):
        check_manifest(Path("folder"), Path("manifest.json"), found)


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", ""])
def test_files_of_a_manifest_lie_in_its_folder(name: str) -> None:
    found = copy.deepcopy(WHOLE)
    found["files"][name] = {"size": 0, "sha256": None}
    with pytest.raises(CheckpointError) as error:
        check_manifest(Path("folder"), Path("manifest.json"), found)
    assert error.value.code == "outside-folder"


BANK, GAIN = "model.memory.memory_bank", "model.layers.0.gated_memory_fusion.gain"
MakeBank = Callable[[], dict[str, np.ndarray]]
BANKS: list[tuple[MakeBank, bool, str]] = [
    (lambda: {BANK: np.zeros((16, 4), np.int64), GAIN: np.zeros(8, np.float32)}, True, "2 of 2, a bank of [16, 4]"),
    (lambda: {GAIN: np.zeros(8, np.float32)}, False, "1 of 1, a bank of none"),
    (lambda: {BANK: np.zeros((16, 4), np.int64)}, False, "1 of 1, a bank of [16, 4]"),
    (lambda: {BANK: np.zeros((16, 4), np.float32), GAIN: np.zeros(8, np.float32)}, False, "2 of 2, a bank of [16, 4]"),
    (lambda: {BANK: np.zeros(16, np.int64), GAIN: np.zeros(8, np.float32)}, False, "2 of 2, a bank of [16]"),
]


@pytest.mark.parametrize(("gates", "passed", "said"), BANKS, ids=range(len(BANKS)))
def test_memory_gates_have_one_bank_of_whole_numbers(gates: MakeBank, passed: bool, said: str, tmp_path: Path) -> None:
    base = open_checkpoint(make_base(tmp_path / "base"))
    gated = make_base(tmp_path / "gated", llama_tensors() | gates(), model_type="memory_gate_llama")
    checks = {each.name: each for each in compare_weights(base, open_checkpoint(gated), True, Progress())}
    found = checks["gates and their bank"]
    assert (found.passed, found.found) == (passed, said)
    assert checks["extra tensors are gates"].passed and checks["files are those of the manifest"].passed is None
