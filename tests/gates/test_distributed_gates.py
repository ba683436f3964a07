"""Two processes share a model, by tensor parallelism and by FSDP2: scores, loss and gate gradients stay the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
import torch.distributed
from families import FAMILIES, HIDDEN, gates, tokens
from rounding.comparing import assert_equal_but_for_rounding

from transformers import PreTrainedModel
from transformers.distributed import DistributedConfig
from transformers.distributed.checkpoint import load_optimizer_distributed, save_optimizer_distributed


PROCESSES = 2


def whole(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def step(model: torch.nn.Module) -> tuple[torch.Tensor, tuple[torch.Tensor, ...], list[torch.Tensor]]:
    batch = tokens()
    outputs = model.train()(batch, labels=batch, quality_targets=torch.tensor([0, 1]))
    outputs.loss.backward()
    return outputs.loss, outputs.quality_logits, [whole(gate.gate.weight.grad) for gate in gates(model)]


@contextmanager
def process_group(rank: int, folder: Path) -> Iterator[None]:
    """What a process spawned as number `rank` does first and last."""
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(PROCESSES))
    store = f"file://{folder / 'store'}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=PROCESSES)
    yield
    torch.distributed.destroy_process_group()


def compare(folder: Path, mode: str) -> None:
    """Every family, loaded whole and loaded in shares."""
    for family in FAMILIES:
        load = family.gated_class("ForCausalLM").from_pretrained
        alone = load(folder / family.name)
        shared = load(folder / family.name, distributed_config=DistributedConfig(**{mode: PROCESSES}))
        for expected, actual in zip(step(alone), step(shared)):
            assert_equal_but_for_rounding(actual, expected, HIDDEN, f"{family}, {mode}")
        check_saved_gates(shared, alone, folder / f"{family}-{mode}")


def check_saved_gates(shared: PreTrainedModel, alone: PreTrainedModel, folder: Path) -> None:
    """What all processes save together loads in one process, and in all of them."""
    with torch.no_grad():
        for number, gate in enumerate(gates(shared)):
            gate.gate.weight.fill_(number + 1)
    shared.save_quality_gates(folder)
    torch.distributed.barrier()
    with torch.no_grad():
        for gate in gates(shared):
            gate.gate.weight.zero_()
    for model in (alone, shared):
        model.load_quality_gates(folder)
        assert [set(whole(gate.gate.weight).flatten().tolist()) for gate in gates(model)] == [{1}, {2}]


def train_without_scores(model: torch.nn.Module) -> torch.optim.Optimizer:
    optimizer = torch.optim.Adam(model.train().parameters(), lr=0.01)
    for _ in range(2):  # DistributedDataParallel misses gradients at the step after
        model(input_ids=tokens(), labels=tokens(), output_router_logits=False).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return optimizer


def resume(folder: Path) -> None:
    """Every family trains, is saved and taken up again, its gates idle all the time."""
    for family in FAMILIES:
        load = partial(family.gated_class("ForCausalLM").from_pretrained, folder / family.name)
        shared = load(distributed_config=DistributedConfig(fsdp_size=PROCESSES))
        before = [whole(gate.gate.weight) for gate in gates(shared)]
        optimizer = train_without_scores(shared)
        save_optimizer_distributed(shared, optimizer, str(folder / f"{family}-optimizer"))
        again = torch.optim.Adam(shared.parameters(), lr=0.01)
        load_optimizer_distributed(shared, again, str(folder / f"{family}-optimizer"))
        for weight in shared.parameters():
            for name, value in optimizer.state[weight].items():
                assert torch.equal(whole(again.state[weight][name]), whole(value)), f"{family}: {name}"
        assert all(map(torch.equal, before, (whole(gate.gate.weight) for gate in gates(shared)))), family
        train_without_scores(torch.nn.parallel.DistributedDataParallel(load()))


def share(rank: int, folder: Path) -> None:
    """Runs in each process: most of their time is starting, so that they do all."""
    with process_group(rank, folder):
        for mode in ("tp_size", "fsdp_size"):
            compare(folder, mode)
        resume(folder)


def test_shared_models_agree_and_idle_gates_do_not_stop_their_training(tmp_path: Path) -> None:
    for family in FAMILIES:
        family.gated().save_pretrained(tmp_path / family.name)
    torch.multiprocessing.spawn(share, (tmp_path,), nprocs=PROCESSES)
