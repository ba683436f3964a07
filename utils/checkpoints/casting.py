"""Bytes of one floating-point type to those of another, as torch rounds them. Numpy knows no bfloat16."""

from __future__ import annotations

import numpy as np


DTYPES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}  # as users spell them -> as safetensors does
FLOATS = ("F64", "F32", "F16", "BF16")  # others are integers, masks or packed blocks, and stay as they are
_NUMPY = {"F64": np.float64, "F32": np.float32, "F16": np.float16}


def cast(data: bytes, source: str, target: str) -> bytes:
    """Whole numbers of type `source` as type `target`, both of FLOATS, rounded to the nearest, ties to even."""
    if source == target:
        return data
    return _from_float32(_to_float32(data, source), target)


def target_dtype(dtype: str, wanted: str) -> str:
    """The type that a tensor of type `dtype` is written in: `wanted` ("F32", ... or "keep") if it is a float."""
    return dtype if wanted == "keep" or dtype not in FLOATS else wanted


def _to_float32(data: bytes, source: str) -> np.ndarray:
    if source == "BF16":
        return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):
        return np.frombuffer(data, _NUMPY[source]).astype(np.float32)


def _from_float32(values: np.ndarray, target: str) -> bytes:
    if target != "BF16":
        with np.errstate(over="ignore"):  # too large for a half: infinite, as in torch
            return values.astype(_NUMPY[target]).tobytes()
    bits = values.view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(values), np.uint32(0x7FC0), rounded).astype(np.uint16).tobytes()
