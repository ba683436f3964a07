"""Forty gigabytes are gated in seconds and in little memory: sparse files, which take no room, stand for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bases import GATES, make_base, read_index, write_index
from checkpoints.headers import Tensor, encode_header


UTILS = Path(__file__).parents[2] / "utils"
HIDDEN, LAYERS = 8192, 3
# What the process itself says: what the system tells its parent may count the memory of the parent.
GATE = """
import json, re, resource, sys
from checkpoints.cli import gate
status = gate(sys.argv[1:])
used, peak = resource.getrusage(resource.RUSAGE_SELF), re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())
print(json.dumps({"seconds": used.ru_utime + used.ru_stime, "kilobytes": int(peak[1])}))
sys.exit(status)
"""
SECONDS, MEMORY = 5, 300 << 20  # of CPU time, since other processes may be busy; bytes


def make_sparse_base(folder: Path, gigabytes: int) -> int:
    """Three layers whose shards are holes up to a size; the bytes of weights."""
    make_base(folder, hidden_size=HIDDEN)
    (folder / "model.safetensors").unlink()
    weight_map, total = {}, 0
    rows = gigabytes * 10**9 // (2 * HIDDEN * 2 * LAYERS)
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}"
        for number, half in enumerate(("gate_proj", "up_proj")):
            tensors = [Tensor(f"{prefix}.mlp.{half}.weight", "BF16", (rows, HIDDEN))]
            if not number:
                tensors += [Tensor(f"{prefix}.post_attention_layernorm.weight", "BF16", (HIDDEN,))]
            name = f"model-{2 * layer + number + 1:05}-of-00006.safetensors"
            head, size = encode_header(tensors, {"format": "pt"}), sum(tensor.size for tensor in tensors)
            (folder / name).write_bytes(head)
            os.truncate(folder / name, len(head) + size)
            weight_map |= {tensor.name: name for tensor in tensors}
            total += size
    write_index(folder, weight_map)
    return total


def test_forty_gigabytes(tmp_path: Path) -> None:
    base, gated = tmp_path / "base", tmp_path / "gated"
    assert make_sparse_base(base, 40) > 39_000_000_000
    command = [sys.executable, "-c", GATE, "--hash", "later", "--base", base, "--output", gated, "--quiet"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(UTILS)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    used = json.loads(done.stdout)
    assert used["seconds"] < SECONDS and used["kilobytes"] * 1024 < MEMORY, used
    assert read_index(gated).keys() == read_index(base).keys() | set(GATES)
    assert sum(path.stat().st_blocks * 512 for path in gated.iterdir() if path.stat().st_nlink == 1) < 1_000_000
    linked = json.loads((gated / "quality_gate_manifest.json").read_text())["files"]
    assert sum(entry["size"] for entry in linked.values() if entry.get("how") == "hard") > 39_000_000_000
