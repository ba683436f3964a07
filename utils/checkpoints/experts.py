"""Experts one by one, or fused into one tensor for a layer: the same bytes in another order.

transformers keeps the experts of Mixtral and of Qwen's models one by one on disk and fuses them at load:

    experts.{0..E-1}.gate_proj.weight [I, H], .up_proj.weight [I, H]  ->  experts.gate_up_proj [E, 2 I, H]
    experts.{0..E-1}.down_proj.weight [H, I]                          ->  experts.down_proj [E, H, I]
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facts.peculiar import peculiarities

from checkpoints.errors import CheckpointError
from checkpoints.headers import BITS, Tensor


KEEP, FUSED, SEPARATE = "keep", "fused", "separate"
# gate, up and down of one expert: Qwen's names and Mixtral's
_QWEN, _MIXTRAL = ("gate_proj", "up_proj", "down_proj"), ("w1", "w3", "w2")
_SEPARATE = re.compile(r"^(.+\.experts)\.([0-9]{1,9})\.(gate_proj|up_proj|down_proj|w1|w2|w3)\.weight$")
_FUSED = re.compile(r"^(.+\.experts)\.(gate_up_proj|down_proj)$")


@dataclass(frozen=True, slots=True)
class TensorSlice:
    """Elements `start` to `stop` of a source tensor, all of them without `stop`."""

    name: str
    start: int = 0
    stop: int | None = None


Planned = Mapping[str, tuple[Tensor, tuple[TensorSlice, ...]]]


def regroup(
    folder: Path, tensors: Planned, experts: str, model_type: str
) -> dict[str, tuple[Tensor, tuple[TensorSlice, ...]]]:
    """The tensors with the experts fused, separate, or as they are. The others stay, in their order.

    Args:
        folder: the base checkpoint, for the text of a refusal.
        tensors: what is to be written, by name, and what each is made of.
        experts: KEEP, FUSED or SEPARATE.
        model_type: the base's, which says what its experts are called on disk.

    Raises:
        CheckpointError: the experts of a layer are incomplete, differ in shape, or are laid out in another way.
        PeculiarError: the file that says how they are called on disk is refused.
    """
    if experts == KEEP:
        return dict(tensors)
    if experts not in (FUSED, SEPARATE):
        raise CheckpointError("--experts", f"is {experts!r}", f"give {KEEP}, {FUSED} or {SEPARATE}")
    found = _fuse(folder, tensors) if experts == FUSED else _separate(folder, tensors, model_type)
    if not found:
        message = f"holds no experts that could be made {experts}"
        raise CheckpointError(folder, message, f"give --experts {KEEP}, or leave it out")
    return found


def _fuse(folder: Path, tensors: Planned) -> dict[str, tuple[Tensor, tuple[TensorSlice, ...]]]:
    layers: dict[str, dict[str, dict[int, str]]] = defaultdict(lambda: defaultdict(dict))
    for name in tensors:
        if match := _SEPARATE.match(name):
            layers[match[1]][match[3]][int(match[2])] = name
    if not layers:
        return {}
    fused = {name: planned for name, planned in tensors.items() if not _SEPARATE.match(name)}
    for prefix, kinds in layers.items():
        gate, up, down = next((each for each in (_QWEN, _MIXTRAL) if set(each) == kinds.keys()), ("", "", ""))
        numbers = kinds[gate].keys() if gate else set()
        if not gate or any(kinds[kind].keys() != set(range(len(numbers))) for kind in (gate, up, down)):
            raise CheckpointError(folder, f"`{prefix}` lacks parts of its experts", "fetch the checkpoint again")
        pairs = [kinds[kind][number] for number in range(len(numbers)) for kind in (gate, up)]
        downs = [kinds[down][number] for number in range(len(numbers))]
        for name, parts, rows in ((f"{prefix}.gate_up_proj", pairs, 2), (f"{prefix}.down_proj", downs, 1)):
            kind = {(tensors[part][0].dtype, tensors[part][0].shape) for part in parts}
            if len(kind) != 1:
                raise CheckpointError(folder, f"the experts of `{prefix}` differ in shape", "give --experts keep")
            dtype, (height, width) = kind.pop()
            shape = (len(numbers), rows * height, width)
            fused[name] = Tensor(name, dtype, shape), tuple(TensorSlice(part) for part in parts)
    return fused


def _separate(folder: Path, tensors: Planned, model_type: str) -> dict[str, tuple[Tensor, tuple[TensorSlice, ...]]]:
    separate: dict[str, tuple[Tensor, tuple[TensorSlice, ...]]] = {}
    gate, up, down = peculiarities(model_type).experts or _QWEN
    for name, planned in tensors.items():
        match = _FUSED.match(name)
        if match is None:
            separate[name] = planned
            continue
        tensor = planned[0]
        if f"{name}_bias" in tensors or len(tensor.shape) != 3 or BITS[tensor.dtype] < 8:
            message = f"`{name}` holds its experts in a layout of its own"
            raise CheckpointError(folder, message, "give --experts keep")
        separate |= _split(match[1], tensor, (gate, up) if match[2] == "gate_up_proj" else (down,))
    return separate if len(separate) > len(tensors) else {}


def _split(prefix: str, tensor: Tensor, names: tuple[str, ...]) -> dict[str, tuple[Tensor, tuple[TensorSlice, ...]]]:
    experts, rows, width = tensor.shape
    height = rows // len(names)
    parts: dict[str, tuple[Tensor, tuple[TensorSlice, ...]]] = {}
    for number in range(experts):
        for place, name in enumerate(names):
            full, start = f"{prefix}.{number}.{name}.weight", (number * rows + place * height) * width
            part = TensorSlice(tensor.name, start, start + height * width)
            parts[full] = Tensor(full, tensor.dtype, (height, width)), (part,)
    return parts
