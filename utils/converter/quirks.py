"""Rules that hold for some names alone, because of what these are in transformers: each with its reason and its golden case.

Another one is a row of a table here, and a folder of tests/converter/cases/.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Included:
    """A base class that is another one already, though its name does not say so."""

    base: str
    includes: str
    why: str
    case: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """Names of other people's packages that look like those of a model, and are never renamed."""

    model: str  # whose name is in them
    names: tuple[str, ...]
    why: str
    case: str


INCLUDED = (
    Included(
        "GradientCheckpointingLayer",
        "nn.Module",
        why="it is a module: a class that takes it as a further base needs nn.Module no more, and calls of it become super()",
        case="bases_checkpointing",
    ),
)
FOREIGN = (
    Foreign(
        "mamba",
        (
            *("mamba_ssm", "mamba-ssm", "use_mambapy", "is_mambapy_available"),
            *("mamba_inner_fn", "mamba_selective_state_update", "mamba_selective_scan"),
            *("mamba2_split_conv1d_scan_combined", "mamba2_selective_state_update", "mamba2_chunk_scan"),
        ),
        why="kernels and packages of the authors of Mamba; a model that inherits from transformers' Mamba calls the same",
        case="rename_foreign_names",
    ),
)


def included_in(bases: Collection[str]) -> Iterator[str]:
    """What classes with these bases are besides, without naming it."""
    return (each.includes for each in INCLUDED if each.base in bases)


def foreign_names(model: str) -> tuple[str, ...]:
    """The names that stay when a model is renamed; `model` is its name in snake_case."""
    return tuple(name for each in FOREIGN if each.model in model for name in each.names)
