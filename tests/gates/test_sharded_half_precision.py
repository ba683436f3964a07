"""Two processes share a model in bfloat16 whose gates are float32, by every way of FSDP, and train it as one would."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate import FullyShardedDataParallelPlugin
from accelerate.utils.fsdp_utils import fsdp2_prepare_model
from families import FAMILIES, Family, gates, tokens
from test_distributed_gates import PROCESSES, process_group, whole
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.distributed.fsdp.wrap import transformer_auto_wrap_policy

from transformers import PreTrainedModel
from transformers.distributed import DistributedConfig


def load(family: Family, folder: Path, **options: object) -> PreTrainedModel:
    found = family.gated_class("ForCausalLM").from_pretrained(folder / family.name, dtype=torch.bfloat16, **options)
    assert {gate.gate.weight.dtype for gate in gates(found)} == {torch.float32}
    return found.train()


def by_hand(model: PreTrainedModel) -> torch.nn.Module:
    for layer in model.model.layers:
        fully_shard(layer.quality_gate)
        fully_shard(layer)
    return fully_shard(model)


def by_accelerate(model: PreTrainedModel) -> torch.nn.Module:
    """As `Accelerator.prepare` does with its FSDP2 plugin, which it lets nobody choose on a CPU."""
    plugin = FullyShardedDataParallelPlugin(fsdp_version=2, auto_wrap_policy="transformer_based_wrap")
    state = SimpleNamespace(fsdp_plugin=plugin)
    options = {"mixed_precision": "no", "is_main_process": True, "torch_device_mesh": None}
    return fsdp2_prepare_model(SimpleNamespace(state=state, device=torch.device("cpu"), **options), model)


def by_first_fsdp(model: PreTrainedModel) -> torch.nn.Module:
    """As `Trainer` wraps what a model says not to split."""
    apart = {type(module) for module in model.modules() if type(module).__name__ in model._no_split_modules}
    policy = partial(transformer_auto_wrap_policy, transformer_layer_cls=apart)
    return FullyShardedDataParallel(
        model, auto_wrap_policy=policy, device_id=torch.device("cpu"), use_orig_params=True
    )


WAYS = {"by hand": by_hand, "accelerate": by_accelerate, "FSDP1": by_first_fsdp}


def share_gradients(model: torch.nn.Module) -> torch.Tensor:
    """All gates' gradients in one row, whichever process has which part of them."""
    weights = [weight for name, weight in model.named_parameters() if "quality_gate" in name]
    parts = [whole(weight.grad) if hasattr(weight.grad, "full_tensor") else weight.grad for weight in weights]
    own = torch.cat([torch.zeros(0) if part is None else part.flatten() for part in parts])
    if any(hasattr(weight.grad, "full_tensor") for weight in weights):
        return own
    shares = [torch.empty_like(part) for part in [own] * PROCESSES]
    torch.distributed.all_gather(shares, own)
    return torch.stack([share.view(len(weights), -1) for share in shares], 1).flatten()


def train(model: torch.nn.Module, batch: torch.Tensor) -> torch.nn.Module:
    targets = torch.arange(len(batch)) % 2
    model(batch, labels=batch, quality_targets=targets.float()).loss.backward()
    return model


def compare(rank: int, folder: Path) -> None:
    """Runs in each process: half of the batch each, whose gradients FSDP averages."""
    batch = tokens(2 * PROCESSES)
    part = batch[2 * rank : 2 * rank + 2]
    with process_group(rank, folder):
        for family in (FAMILIES[0], FAMILIES[-1]):  # plain, and with experts
            alone = train(load(family, folder), batch)
            expected = torch.cat([gate.gate.weight.grad.flatten() for gate in gates(alone)])
            assert expected.abs().max() > 0.01
            shared = {"config": load(family, folder, distributed_config=DistributedConfig(fsdp_size=PROCESSES))}
            if family is FAMILIES[0]:
                shared |= {name: wrap(load(family, folder)) for name, wrap in WAYS.items()}
            for way, model in shared.items():
                found = share_gradients(train(model, part))
                close = {"rtol": 0.02, "atol": 1e-3}  # sums of bfloat16 depend on how many rows there are
                torch.testing.assert_close(found, expected, **close, msg=lambda text, at=way: f"{at}: {text}")
        naive = load(FAMILIES[0], folder)
        for layer in naive.model.layers:
            fully_shard(layer)
        with pytest.raises(ValueError, match=r"`fully_shard\(layer.quality_gate\)` before"):
            train(fully_shard(naive), part)


def test_every_way_of_sharding_trains_gates_as_one_process_does(tmp_path: Path) -> None:
    for family in FAMILIES:
        family.gated().save_pretrained(tmp_path / family.name)
    torch.multiprocessing.spawn(compare, (tmp_path,), nprocs=PROCESSES)
