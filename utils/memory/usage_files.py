"""How rows were used, as a state to go on from and as a file. Needs torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from checkpoints.headers import read_header
from files.writing import write_file
from safetensors.torch import load_file, save

from memory.errors import BankError
from memory.strategies import Usage


_ARRAYS = {"last_used": np.int64, "access_count": np.int64, "importance": np.float64}
_TEXTS = ("clock", "pointer", "generator")


def state_of(usage: Usage) -> dict[str, Any]:
    """Tensors of [N], two numbers, and the state of the generator as text."""
    arrays = {name: torch.from_numpy(getattr(usage, name).copy()) for name in _ARRAYS}
    state = json.dumps(usage.generator.bit_generator.state)
    return {**arrays, "clock": usage.clock, "pointer": usage.pointer, "generator": state}


def usage_of(state: Mapping[str, Any], rows: int) -> Usage:
    """What a state says. Raises BankError where it is none, or of another number of rows."""
    try:
        arrays = {name: torch.as_tensor(state[name]).cpu().numpy().astype(kind) for name, kind in _ARRAYS.items()}
        usage = Usage(
            arrays["last_used"],
            arrays["access_count"],
            arrays["importance"],
            clock=int(state["clock"]),
            pointer=int(state["pointer"]),
        )
        usage.generator.bit_generator.state = json.loads(state["generator"])
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise BankError("state", f"is not the state of an updater: {error}", "begin without it") from error
    shapes = {each.shape for each in arrays.values()}
    if shapes != {(rows,)}:
        found = " and ".join(str(list(shape)) for shape in sorted(shapes))
        raise BankError("state", f"is of {found} rows, and the bank has {rows}", "begin without it")
    if min(usage.clock, usage.pointer) < 0:
        raise BankError("state", f"has the clock {usage.clock} and the pointer {usage.pointer}", "begin without it")
    return usage


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """A file of a state, whole or not at all."""
    arrays = {name: state[name] for name in _ARRAYS}
    write_file(path, [save(arrays, {name: str(state[name]) for name in _TEXTS})])


def read_state(path: Path) -> dict[str, Any]:
    """The state of a file. Raises CheckpointError where it is none."""
    return {**read_header(path).metadata, **load_file(str(path))}
