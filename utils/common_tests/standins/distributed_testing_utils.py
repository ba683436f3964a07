"""Stands in for transformers' tests/distributed_testing_utils.py, of this project's own writing.

A few processes on one CPU that talk over gloo.
"""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def _get_distributed_device_type() -> str:
    return "cpu"


def _get_distributed_backend() -> str:
    return "gloo"


def _get_rank_device(rank: int) -> torch.device:
    return torch.device("cpu")


def _set_rank_device(rank: int) -> None:
    torch.set_num_threads(1)


def _start_rank_processes(function: Callable, args: tuple, nprocs: int) -> None:
    """Call `function(rank, *args)` in `nprocs` processes, and raise what any of them raised."""
    mp.spawn(function, args=args, nprocs=nprocs, join=True)


def run_distributed(world_size: int) -> Callable[[Callable], Callable]:
    """Turn a function of a rank into one that runs it in `world_size` processes of one group."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:
            with socket.socket() as probe:
                probe.bind(("localhost", 0))
                port = probe.getsockname()[1]
            _start_rank_processes(_run_rank, (world_size, port, function, args, kwargs), world_size)

        return run

    return decorate


def _run_rank(rank: int, world_size: int, port: int, function: Callable, args: tuple, kwargs: dict) -> None:
    os.environ.update(
        MASTER_ADDR="localhost",
        MASTER_PORT=str(port),
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(world_size),
    )
    _set_rank_device(rank)
    dist.init_process_group(_get_distributed_backend(), rank=rank, world_size=world_size)
    try:
        function(rank, *args, **kwargs)
    finally:
        dist.destroy_process_group()
