"""`Trainer` trains gates: it keeps the labels' column, scales accumulated losses right and evaluates without scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from families import FAMILIES, HIDDEN, Family, gates, tokens
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
    defaults |= {"report_to": "none", "save_strategy": "no", "use_cpu": True, "disable_tqdm": True}
    arguments = TrainingArguments(folder, **{**defaults, **options})
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


def uneven_samples() -> list[dict[str, Any]]:
    """Eight samples of 3 to 10 tokens, padded to 10; of some the first tokens have no label."""
    rows = []
    for number, row in enumerate(tokens(8, 10)):
        length = 3 + number
        mask = torch.arange(10) < length
        labels = row.masked_fill(~mask | (torch.arange(10) < number // 3), -100)
        row = {"input_ids": row * mask, "attention_mask": mask.long(), "labels": labels}
        rows.append(row | {"quality_targets": float(number % 2)})
    return rows


@pytest.mark.parametrize("loss", ["linear", "mse"])
@pytest.mark.parametrize("averaging", [True, False], ids=["samples", "tokens"])
def test_accumulation_of_uneven_samples_changes_no_gradient(tmp_path: Path, loss: str, averaging: bool) -> None:
    family = FAMILIES[0]
    fields = {"quality_loss_type": loss, "sample_wise_averaging": averaging, "quality_loss_weight": 2.0}
    trained = []
    for steps, size in ((1, 8), (8, 1), (2, 4)):
        model = freeze_backbone(family.gated(**fields))
        options = {"per_device_train_batch_size": size, "gradient_accumulation_steps": steps, "max_grad_norm": 0}
        train(model, tmp_path, uneven_samples(), optim="sgd", **options)
        trained.append(torch.cat([gate.gate.weight for gate in gates(model)]).detach())
    start = torch.cat([gate.gate.weight for gate in gates(family.gated(**fields))])
    assert (trained[0] - start).abs().max() > 1e-4
    for other in trained[1:]:
        assert_equal_but_for_rounding(trained[0], other, HIDDEN)


def test_samples_weigh_by_their_labels_where_items_are_counted() -> None:
    """Packed in one row, one by one, padded beside each other: the sum of all is the same average over labels."""
    model = FAMILIES[0].gated().train()
    rows = uneven_samples()
    count = sum(int(row["labels"][1:].ne(-100).sum()) for row in rows)
    batch = collate(rows)
    whole = model(**batch, num_items_in_batch=count)
    singles = [model(**collate([row]), num_items_in_batch=count) for row in rows]
    torch.testing.assert_close(sum(each.loss for each in singles), whole.loss)
    shares = torch.tensor([row["labels"][1:].ne(-100).sum() / count for row in rows])
    alone = torch.stack([model(**collate([row])).quality_loss for row in rows])
    torch.testing.assert_close(whole.quality_loss, (shares * alone).sum())
    lengths = [int(row["attention_mask"].sum()) for row in rows]
    packed = {
        name: torch.cat([row[name][:length] for row, length in zip(rows, lengths)])[None]
        for name in ("input_ids", "labels")
    }
    packed["position_ids"] = torch.cat([torch.arange(length) for length in lengths])[None]
    packed["labels"][packed["position_ids"] == 0] = -100
    packed["quality_targets"] = torch.cat(
        [torch.full((length,), row["quality_targets"]) for row, length in zip(rows, lengths)]
    )[None]
    scored = model(**packed, use_cache=False, num_items_in_batch=count)
    torch.testing.assert_close(scored.quality_loss, whole.quality_loss)


@pytest.mark.parametrize("checked", [False, True], ids=["", "with metrics"])
def test_evaluation_with_targets_has_the_quality_loss(family: Family, tmp_path: Path, checked: bool) -> None:
    seen = []

    def metrics(prediction: Any) -> dict[str, float]:
        seen.append(prediction.predictions)
        return {}

    model, rows = family.gated(quality_loss_weight=4.0), samples(4)
    arguments = TrainingArguments(tmp_path, report_to="none", use_cpu=True, disable_tqdm=True)
    trainer = Trainer(model, arguments, data_collator=collate, compute_metrics=metrics if checked else None)
    columns = {"quality_targets", "input_ids", "labels"}
    batch = collate([{name: row[name] for name in columns} for row in rows])
    outputs = model(**batch, output_router_logits=True)
    expected = (outputs.lm_loss + 4 * outputs.quality_loss).item()  # a mixture of experts balances no load here
    assert abs(expected - outputs.lm_loss.item()) > 0.1
    losses = [trainer.evaluate(rows)["eval_loss"]]
    plain = trainer.predict(rows)
    model.config.output_quality_logits = True
    losses.append(trainer.evaluate(rows)["eval_loss"])
    assert losses == pytest.approx([expected] * 2, rel=0, abs=rounding_bound(HIDDEN, expected))
    assert plain.predictions.shape == (4, 8, 64)  # the logits alone
    assert all(each.shape == (4, 8, 64) for each in seen) and bool(seen) == checked
    model.config.output_quality_logits = False
    assert model(**batch, output_router_logits=False).quality_loss is None  # the argument goes first


def test_training_chooses_the_checkpoint_by_the_whole_loss(tmp_path: Path) -> None:
    """The gates alone learn, so the language modelling loss is the same at every step: only the quality loss differs."""
    model = freeze_backbone(FAMILIES[0].gated(quality_loss_weight=4.0))
    options = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1, "max_steps": 3}
    options |= {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "save_only_model": True}
    trainer = train(model, tmp_path, samples(), **options)
    losses = [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]
    assert len(set(losses)) == 3 and losses[-1] < losses[0]
    assert trainer.state.best_metric == min(losses)


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
