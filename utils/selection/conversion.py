"""The original project's router_data -> a folder of scores, so that everything after it is the same."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selection.errors import SelectionError
from selection.router_data import find_files, load_router_data, rows
from selection.shards import ScoreFolder, ShardFacts
from selection.table import schema
from selection.values import NOT_FINITE, Reject


def convert_router_data(
    source: Path, output: Path, gate_space: str | None, alpha: float, shard_size: int
) -> dict[str, Any]:
    """Write the scores of all files of a folder; returns the manifest.

    Args:
        source: the folder `router_data`.
        output: the folder of the scores.
        gate_space: whether gates are "logit" or "prob", for files that do not say it.
        alpha: the power of the perplexity as a token's weight.
        shard_size: documents of a shard.

    Raises:
        SelectionError: a file that is none, or models of different depth.
    """
    files = find_files(source)
    folder = ScoreFolder(output)
    sizes = [[path.name, path.stat().st_size] for path in files]
    options = {"alpha": alpha, "perplexity": True, "shard_size": shard_size, "gate_space": gate_space}
    first = load_router_data(files[0], gate_space)
    layers = int(first.gates.shape[1])
    description = {"data": [], "router_data": sizes, "layers": list(range(layers)), "options": options}
    folder.open(description)
    shards = 0
    for shards, shard in enumerate(_shards(files, gate_space, alpha, shard_size, layers), 1):
        if not folder.is_done(shards - 1):
            _write(folder, shards - 1, shard, layers)
    manifest = folder.finish(shards)
    assert manifest is not None  # one process writes all
    return manifest


def _shards(
    files: list[Path], gate_space: str | None, alpha: float, size: int, layers: int
) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Rows with the place that each is from."""
    shard: list[tuple[str, dict[str, Any]]] = []
    position = 0
    for path in files:
        data = load_router_data(path, gate_space)
        if data.gates.shape[1] != layers:
            message = f"has {data.gates.shape[1]} layers, and {files[0].name} has {layers}"
            raise SelectionError(path, message, "convert the files of one model")
        for row in rows(data, position, alpha):
            shard.append((f"{path.name}:{row['position'] - position + 1}", row))
            if len(shard) == size:
                yield shard
                shard = []
        position += len(data.ids)
    if shard or not position:
        yield shard


def _write(folder: ScoreFolder, number: int, shard: list[tuple[str, dict[str, Any]]], layers: int) -> None:
    good, rejects = [], []
    for place, row in shard:
        if math.isfinite(row["quality"]) and (row["perplexity"] is None or math.isfinite(row["perplexity"])):
            good.append(row)
        else:
            rejects.append(Reject(row["id"], row["source"], place, NOT_FINITE, "its numbers are not finite"))
    tokens = sum(row["tokens"] for row in good)
    counts = {NOT_FINITE: len(rejects)} if rejects else {}
    facts = ShardFacts(len(shard), len(good), tokens, tokens, 0.0, counts)
    folder.write(number, good, schema(layers), rejects, facts)
