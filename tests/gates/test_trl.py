"""TRL's trainers run on gated models, and train gates where their class was made by `trains_gates`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints_of_tools import CHAT
from families import FAMILIES, gates, word_tokenizer

from generated import register_gates
from generated.training import trains_gates
from transformers import PreTrainedModel, PreTrainedTokenizerFast, Trainer


trl = pytest.importorskip("trl", reason="TRL is not installed")
datasets = pytest.importorskip("datasets")
LETTERS = "abcdefghijklmnop"
COMMON = {
    "max_steps": 1,
    "learning_rate": 0.1,
    "lr_scheduler_type": "constant",
    "optim": "sgd",
    "max_grad_norm": 0.0,
    "per_device_train_batch_size": 4,
    "logging_steps": 1,
    "report_to": "none",
    "save_strategy": "no",
    "use_cpu": True,
    "bf16": False,
    "disable_tqdm": True,
}


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    register_gates()
    # On the path of these tests lies a package of this project that is called as one that TRL looks for
    monkeypatch.setattr(importlib.import_module("trl.import_utils"), "is_weave_available", lambda: False)


def tokenizer() -> PreTrainedTokenizerFast:
    found = word_tokenizer()
    found.chat_template = CHAT
    return found


def model_of(head: str = "ForCausalLM", **fields: Any) -> PreTrainedModel:
    return FAMILIES[0].gated(head, max_position_embeddings=512, **fields)


def texts(targets: bool = True) -> Any:
    rows = [{"text": " ".join(LETTERS[number : number + 3 + number])} for number in range(8)]
    return datasets.Dataset.from_list(
        [{**row, **({"quality_targets": float(i % 2)} if targets else {})} for i, row in enumerate(rows)]
    )


def weights(model: torch.nn.Module) -> torch.Tensor:
    found = [w for name, w in model.named_parameters() if "quality_gate" in name and "original_module" not in name]
    return torch.cat([weight.detach().flatten() for weight in found]).clone()


def sft(model: PreTrainedModel, folder: Path, data: Any, maker: Any = None, **options: Any) -> Any:
    peft_config = options.pop("peft_config", None)
    args = trl.SFTConfig(folder, **{"max_length": 32, **COMMON, **options})
    maker = maker or trains_gates(trl.SFTTrainer)
    more = {"processing_class": tokenizer(), "peft_config": peft_config}
    return maker(model, args=args, train_dataset=data, **more)


def logged(trainer: Any) -> dict[str, float]:
    return next(row for row in trainer.state.log_history if "loss" in row)


@pytest.mark.parametrize("packing", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("targets", [True, False], ids=["targets", ""])
def test_sft_trains_gates(tmp_path: Path, packing: bool, targets: bool) -> None:
    model = model_of(quality_loss_weight=2.0)
    before, seen = weights(model), []
    trainer = sft(model, tmp_path, texts(targets), packing=packing)
    model.model.register_forward_hook(lambda module, args, kwargs, out: seen.append((kwargs, out)), with_kwargs=True)
    trainer.train()
    assert (weights(model) != before).view(2, -1).any(1).all()
    [(given, outputs)] = [(kwargs, out) for kwargs, out in seen if out.quality_loss is not None]
    assert ("quality_targets" in given and given["quality_targets"] is not None) == targets
    if targets:
        found = given["quality_targets"]
        assert found.shape == (given["input_ids"].shape if packing else given["input_ids"].shape[:1])
        assert {0.0, 1.0} <= set(found.flatten().tolist())
    row = logged(trainer)
    alone = sft(model_of(quality_loss_weight=2.0), tmp_path, texts(targets), trl.SFTTrainer, packing=packing)
    alone.train()
    assert row["loss"] == pytest.approx(logged(alone)["loss"] + 2 * row["quality_loss"], abs=1e-3)
    assert row["quality_loss"] > 0.1


def test_sft_moves_gates_as_trainer_does(tmp_path: Path) -> None:
    """The gate gradients of one step, accumulated or not, are those of the gated head's own loss."""
    found = []
    rows = [{"input_ids": (ids := tokenizer()(row["text"])["input_ids"]), "labels": ids, **row} for row in texts()]
    data = datasets.Dataset.from_list([{k: v for k, v in row.items() if k != "text"} for row in rows])
    for maker, size in ((None, 8), (None, 2), (Trainer, 8)):
        model = model_of().requires_grad_(False)
        for gate in gates(model):
            gate.requires_grad_(True)
        options = {"per_device_train_batch_size": size, "gradient_accumulation_steps": 8 // size}
        trainer = sft(model, tmp_path, data, gradient_checkpointing=False, **options)
        if maker is Trainer:
            trainer = Trainer(model, trainer.args, trainer.data_collator, trainer.train_dataset)
            trainer.args.remove_unused_columns = False
            model.forward = type(model).forward.__get__(model)  # TRL's head off
        trainer.train()
        found.append(weights(model))
    assert (found[0] - weights(model_of())).abs().max() > 1e-5
    torch.testing.assert_close(found[1], found[0])
    torch.testing.assert_close(found[2], found[0])


def test_sft_with_peft_trains_the_gates_that_it_saves(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(task_type="CAUSAL_LM", modules_to_save=["quality_gate"])
    trainer = sft(model_of(), tmp_path, texts(), peft_config=config)
    before = weights(trainer.model)
    trainer.train()
    assert (weights(trainer.model) != before).view(2, -1).any(1).all()


def test_sft_without_the_class_says_that_gates_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    logger = type(FAMILIES[0].modeling.logger)
    monkeypatch.setattr(logger, "warning_once", lambda self, message, *rest: told.append(message), raising=False)
    model = model_of()
    before = weights(model)
    sft(model, tmp_path, texts(False), trl.SFTTrainer).train()
    assert torch.equal(weights(model), before) and any("trains_gates" in message for message in told)


def pairs() -> Any:
    rows = [{"prompt": "a b", "chosen": f" {LETTERS[i]} c", "rejected": f" d {LETTERS[i]}"} for i in range(8)]
    return datasets.Dataset.from_list(rows)


def with_targets(data: Any) -> Any:
    """Rows whose targets are those of their place, so that each call can be asked which it was given."""
    return data.add_column("quality_targets", [number / 8 for number in range(len(data))])


def given_to(model: torch.nn.Module) -> list[torch.Tensor]:
    """Where what the base model is given as targets in training comes to stand."""
    seen: list[torch.Tensor] = []

    def keep(module: Any, args: Any, kwargs: dict[str, Any], outputs: Any) -> None:
        asked = kwargs.get("output_quality_logits")
        targets = kwargs.get("quality_targets")
        if torch.is_grad_enabled() and (targets is not None or asked is None):
            seen.append(targets)

    model.register_forward_hook(keep, with_kwargs=True)
    return seen


def test_rewards_train_gates(tmp_path: Path) -> None:
    model = model_of("ForSequenceClassification", num_labels=1)
    before = weights(model)
    args = trl.RewardConfig(tmp_path, max_length=32, **COMMON)
    trainer = trains_gates(trl.RewardTrainer)(model, args=args, train_dataset=pairs(), processing_class=tokenizer())
    trainer.train()
    assert (weights(model) != before).view(2, -1).any(1).all() and logged(trainer)["quality_loss"] > 0.1


@pytest.mark.parametrize("targets", [False, True], ids=["", "targets"])
def test_preferences_need_no_reference_model_and_train_gates(tmp_path: Path, targets: bool) -> None:
    model_of().save_pretrained(tmp_path / "model")
    args = trl.DPOConfig(tmp_path, max_length=32, **COMMON)
    data = with_targets(pairs()) if targets else pairs()
    trainer = trains_gates(trl.DPOTrainer)(
        str(tmp_path / "model"), args=args, train_dataset=data, processing_class=tokenizer()
    )
    before, seen = weights(trainer.model), given_to(trainer.model)
    trainer.train()
    assert (weights(trainer.model) != before).view(2, -1).any(1).all()
    [found] = seen
    if targets:  # what is chosen comes first, then what is rejected
        assert torch.equal(found[:4], found[4:]) and len(set(found.tolist())) == 4
    else:
        assert found is None


@pytest.mark.parametrize("targets", [False, True], ids=["", "targets"])
def test_group_policies_train_gates(tmp_path: Path, targets: bool) -> None:
    options = {"num_generations": 4, "max_completion_length": 4, "beta": 0.0}
    args = trl.GRPOConfig(tmp_path, **COMMON, **options)
    model = model_of()
    before, seen = weights(model), given_to(model)
    prompts = datasets.Dataset.from_list([{"prompt": "a b c"}] * 8)
    trainer = trains_gates(trl.GRPOTrainer)(
        model,
        reward_funcs=lambda completions, **rest: [float(len(each)) for each in completions],
        args=args,
        train_dataset=with_targets(prompts) if targets else prompts,
        processing_class=tokenizer(),
    )
    trainer.train()
    assert (weights(model) != before).view(2, -1).any(1).all()
    [found] = seen
    if targets:  # four completions of one prompt
        assert found.shape == (4,) and len(set(found.tolist())) == 1 and found[0] * 8 in range(8)
    else:
        assert found is None


def test_targets_that_a_trainer_leaves_out_go_to_a_batch_in_parts() -> None:
    model = model_of()
    training = importlib.import_module("generated.training")
    tokens, values = torch.randint(3, 20, (4, 6)), torch.tensor([0.0, 1.0, 1.0, 0.0])
    expected = [
        model(tokens[part], quality_targets=values[part], output_router_logits=True).quality_loss
        for part in (slice(2), slice(2, 4))
    ]
    with training._listening(model, training._Calls(), values):
        found = [model(input_ids=part, output_router_logits=True).quality_loss for part in tokens.split(2)]
        own = model(tokens, quality_targets=1 - values, output_router_logits=True).quality_loss
    assert torch.equal(torch.stack(found), torch.stack(expected))
    other = model(tokens, quality_targets=values, output_router_logits=True).quality_loss
    assert not torch.equal(own, other)
