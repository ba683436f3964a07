"""`Trainer` trains gates: it keeps the labels' column, scales accumulated losses right and evaluates without scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from families import HIDDEN, Family, gates, tokens
from rounding.comparing import assert_equal_but_for_rounding, rounding_bound

from transformers import PreTrainedModel, Trainer, TrainingArguments


def samples(count: int = 8) -> list[dict[str, Any]]:
    """Good samples draw from one half of the vocabulary, bad ones from the other."""
    rows = tokens(count, 8) // 2
    return [
        {
            "input_ids": row + 32 * (number % 2),
            "labels": row,
            "quality_targets": float(number % 2),
            "unrelated": "text",
        }
        for number, row in enumerate(rows)
    ]


def collate(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    assert all("unrelated" not in row for row in rows)  # the Trainer has removed what forward does not name
    return {name: torch.stack([torch.as_tensor(row[name]) for row in rows]) for name in rows[0]}


def train(model: PreTrainedModel, folder: Path, rows: list[dict[str, Any]], **options: Any) -> Trainer:
    defaults: dict[str, Any] = {
        "max_steps": 1,
        "learning_rate": 0.1,
        "lr_scheduler_type": "constant",
        "weight_decay": 0,
    }
    arguments = TrainingArguments(
        folder, report_to="none", save_strategy="no", use_cpu=True, disable_tqdm=True, **{**defaults, **options}
    )
    trainer = Trainer(model, arguments, data_collator=collate, train_dataset=rows, eval_dataset=rows)
    trainer.train()
    return trainer


def freeze_backbone(model: PreTrainedModel) -> PreTrainedModel:
    model.requires_grad_(False)
    for gate in gates(model):
        gate.requires_grad_(True)
    return model


@pytest.mark.parametrize("checkpointing", [False, True], ids=["", "checkpointed"])
def test_gates_learn_to_tell_samples_apart(family: Family, tmp_path: Path, checkpointing: bool) -> None:
    model = freeze_backbone(family.gated())
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    train(model, tmp_path, samples(), max_steps=40, learning_rate=0.03, gradient_checkpointing=checkpointing)
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name]) != (".quality_gate." in name), name
    batch = collate([{"input_ids": row["input_ids"]} for row in samples()])
    outputs = model.eval()(**batch, output_router_logits=True)
    for layer in outputs.quality_logits:
        bad, good = layer.sigmoid().mean((1, 2)).view(-1, 2).T
        assert good.mean() > bad.mean() + 0.2


@pytest.mark.parametrize("weight", [0.5, 4.0])
def test_accumulation_changes_no_gradient(family: Family, tmp_path: Path, weight: float) -> None:
    trained = []
    for steps, size in ((1, 8), (4, 2)):
        model = freeze_backbone(family.gated(quality_loss_weight=weight))
        options = {"per_device_train_batch_size": size, "gradient_accumulation_steps": steps, "max_grad_norm": 0}
        train(model, tmp_path, samples(), optim="sgd", **options)
        trained.append(torch.cat([gate.gate.weight for gate in gates(model)]).detach())
    assert not torch.equal(trained[0], torch.cat([gate.gate.weight for gate in gates(family.gated())]))
    assert_equal_but_for_rounding(trained[0], trained[1], HIDDEN)


def test_evaluation_needs_no_scores(family: Family, tmp_path: Path) -> None:
    trainer = train(family.gated(), tmp_path, samples(4), label_names=["labels"])
    plain = [{name: value for name, value in row.items() if name != "quality_targets"} for row in samples(4)]
    expected = trainer.model.eval()(**collate([{k: row[k] for k in ("input_ids", "labels")} for row in plain])).lm_loss
    assert trainer.evaluate(plain)["eval_loss"] == pytest.approx(
        expected.item(), rel=0, abs=rounding_bound(HIDDEN, expected.item())
    )
    trainer.model.config.output_router_logits = True
    prediction = trainer.predict(samples(4))
    assert prediction.predictions.shape == (4, 8, 64)  # the logits alone
