"""Where the numbers of a model lie in memory: two models that are laid out alike compute alike, to the last bit."""

from __future__ import annotations

from itertools import chain
from typing import TypeVar

import torch
from torch import nn


LINE = 64  # bytes: kernels treat addresses alike that are equal modulo this, and torch allocates at multiples of it
Model = TypeVar("Model", bound=nn.Module)


def lay_out_anew(model: Model, offset: int = 0) -> Model:
    """Move every weight and buffer of a model to memory of its own; return the model.

    What is loaded from a file lies where its place in the file puts it. Two models after this lie equally, so that the
    same operations give the same bits. Weights that were shared stay shared.

    Args:
        model: on the CPU; tensors elsewhere, and those without memory, are left alone.
        offset: bytes behind a multiple of 64 at which each tensor begins; of types wider than that, the next lower
            multiple of their width.
    """
    moved: dict[tuple[object, ...], torch.Tensor] = {}
    with torch.no_grad():
        for tensor in chain(model.parameters(), model.buffers()):
            if tensor.device.type == "cpu" and tensor.layout is torch.strided and tensor.numel():
                place = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
                if place not in moved:
                    moved[place] = _copy_at(offset, tensor)
                tensor.data = moved[place]
    return model


def _copy_at(offset: int, tensor: torch.Tensor) -> torch.Tensor:
    width = tensor.element_size()
    start = offset // width * width
    bytes_there = torch.empty(tensor.numel() * width + start, dtype=torch.uint8)
    return bytes_there[start:].view(tensor.dtype).view(tensor.shape).copy_(tensor)
