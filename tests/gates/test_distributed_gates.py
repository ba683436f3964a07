"""Two processes share a model, by tensor parallelism and by FSDP2: scores, loss and gate gradients stay the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
import torch.distributed
from families import FAMILIES, gates, tokens

from transformers.distributed import DistributedConfig


PROCESSES = 2


def whole(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def step(model: torch.nn.Module) -> tuple[torch.Tensor, tuple[torch.Tensor, ...], list[torch.Tensor]]:
    batch = tokens()
    outputs = model.train()(batch, labels=batch, quality_labels=torch.tensor([0, 1]))
    outputs.loss.backward()
    return outputs.loss, outputs.quality_logits, [whole(gate.gate.weight.grad) for gate in gates(model)]


def compare(rank: int, folder: Path, mode: str) -> None:
    """Runs in each process: every family, loaded whole and loaded in shares."""
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(PROCESSES))
    store = f"file://{folder / 'store'}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=PROCESSES)
    for family in FAMILIES:
        load = family.gated_class("ForCausalLM").from_pretrained
        alone = load(folder / family.name)
        shared = load(folder / family.name, distributed_config=DistributedConfig(**{mode: PROCESSES}))
        for expected, actual in zip(step(alone), step(shared)):
            torch.testing.assert_close(actual, expected, msg=lambda message, family=family: f"{family}: {message}")
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("mode", ["tp_size", "fsdp_size"])
def test_shared_models_agree(mode: str, tmp_path: Path) -> None:
    for family in FAMILIES:
        family.gated().save_pretrained(tmp_path / family.name)
    torch.multiprocessing.spawn(compare, (tmp_path, mode), nprocs=PROCESSES)
