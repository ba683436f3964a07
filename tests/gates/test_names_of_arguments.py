"""Names that other tools read: targets are no labels, scores are no routers, and old names go on."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from families import Family, gates, tokens

from transformers import EarlyStoppingCallback, PreTrainedModel, Trainer, TrainingArguments
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.utils.generic import find_labels


TARGETS = torch.tensor([0.0, 1.0])


def test_the_old_name_of_targets_goes_on_with_a_warning(family: Family) -> None:
    model = family.gated()
    expected = model(tokens(), labels=tokens(), quality_targets=TARGETS, output_router_logits=True)
    with pytest.warns(FutureWarning, match="quality_targets") as told:
        outputs = model(tokens(), labels=tokens(), quality_labels=TARGETS, output_router_logits=True)
    assert len([each for each in told if each.category is FutureWarning]) == 1
    assert torch.equal(outputs.loss, expected.loss) and torch.equal(outputs.quality_loss, expected.quality_loss)
    with pytest.raises(TypeError, match="old name"):
        model(tokens(), quality_labels=TARGETS, quality_targets=TARGETS)
    loss = family.modeling.quality_classification_loss
    with pytest.warns(FutureWarning):
        again = loss(outputs.quality_logits, model.config, quality_labels=TARGETS)
    assert torch.equal(again, loss(outputs.quality_logits, model.config, None, False, TARGETS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(tokens(), quality_targets=TARGETS, quality_labels=None)


def test_scores_of_the_config_are_asked_for_by_a_name_of_their_own(family: Family, tmp_path: Path) -> None:
    config = family.config(output_quality_logits=True)
    assert family.gated_class("ForCausalLM")(config).eval()(tokens()).quality_logits is not None
    old = family.config(output_router_logits=True)
    assert hasattr(old, "output_router_logits") == family.has_experts
    model = family.gated(output_router_logits=True)
    assert model(tokens()).quality_logits is not None
    model.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert ("output_router_logits" in saved) == family.has_experts
    assert saved["output_quality_logits"] is not family.has_experts
    (tmp_path / "config.json").write_text(json.dumps(saved | {"output_router_logits": True}))
    again = type(model).from_pretrained(tmp_path)
    assert again(tokens()).quality_logits is not None
    plain = family.gated()
    plain.config.output_router_logits = True
    assert plain(tokens()).quality_logits is not None


@pytest.mark.parametrize("asks", [True, False])
def test_the_old_name_of_a_config_s_field_is_a_keyword_of_loading(family: Family, tmp_path: Path, asks: bool) -> None:
    model = family.gated(output_quality_logits=not asks and not family.has_experts)
    model.save_pretrained(tmp_path)
    for load in (type(model.config).from_pretrained, type(model).from_pretrained):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            loaded = load(tmp_path, output_router_logits=asks)
        config = getattr(loaded, "config", loaded)
        assert config.output_quality_logits is (asks and not family.has_experts)
        assert hasattr(config, "output_router_logits") == family.has_experts  # whose own field it is
        assert any("output_quality_logits" in str(each.message) for each in told) is not family.has_experts
        assert (type(model)(config).eval()(tokens()).quality_logits is not None) is asks
    with pytest.raises(TypeError, match="old name") if not family.has_experts else nullcontext():
        type(model).from_pretrained(tmp_path, output_router_logits=asks, output_quality_logits=asks)


def test_the_old_name_in_a_saved_config_is_told(family: Family) -> None:
    with nullcontext() if family.has_experts else pytest.warns(FutureWarning, match="output_quality_logits"):
        assert family.config(output_router_logits=True).output_quality_logits is not family.has_experts
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        family.config(output_router_logits=False)  # as checkpoints of many a base say


def test_a_mixture_s_field_keeps_its_meaning(family: Family) -> None:
    if not family.has_experts:
        return
    base, model = family.pair(output_router_logits=True)
    base.config.output_router_logits = True
    expected, outputs = base(tokens(), labels=tokens()), model(tokens(), labels=tokens())
    assert all(map(torch.equal, outputs.router_logits, expected.router_logits))
    assert torch.equal(outputs.aux_loss, expected.aux_loss)


def test_keywords_of_ours_reach_no_loss_function_of_a_user(family: Family) -> None:
    def loss(logits: Any, labels: Any, vocab_size: int, num_items_in_batch: Any = None) -> torch.Tensor:
        return logits.float().square().mean()

    model = family.gated()
    model.loss_function = loss
    for scores in (None, False, True):
        outputs = model.train()(tokens(), labels=tokens(), quality_targets=TARGETS, output_router_logits=scores)
        outputs.loss.backward()
        assert torch.equal(outputs.lm_loss if scores is not False else outputs.loss, loss(outputs.logits, None, 0))


def test_keywords_of_ours_reach_no_attention_function(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[str]] = []

    def attention(module: Any, query: Any, key: Any, value: Any, mask: Any, **kwargs: Any) -> Any:
        seen.append(set(kwargs))
        return ALL_ATTENTION_FUNCTIONS["sdpa"](
            module, query, key, value, mask, **{k: v for k, v in kwargs.items() if k != "s_aux"}
        )

    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, "seen", attention)
    model = family.gated()
    for layer in model.model.layers:
        layer.self_attn.config._attn_implementation = "seen"
    model(tokens(), labels=tokens(), quality_targets=TARGETS, output_router_logits=True)
    ours = {"output_quality_logits", "hand_on_scores", "quality_targets", "quality_labels"}
    assert seen and not any(each & ours for each in seen)


def rows(head: str, target: str | None) -> list[dict[str, Any]]:
    labels: dict[str, dict[str, Any]] = {
        "ForSequenceClassification": {"labels": 1},
        "ForQuestionAnswering": {"start_positions": 1, "end_positions": 2},
    }
    found = []
    for number, row in enumerate(tokens(4, 8)):
        more = {target: float(number % 2)} if target else {}
        found.append({"input_ids": row, **labels.get(head, {"labels": row}), **more})
    return found


def collate(features: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    return {name: torch.stack([torch.as_tensor(row[name]) for row in features]) for name in features[0]}


def trainer(model: PreTrainedModel, folder: Path, data: list[dict[str, Any]], **more: Any) -> Trainer:
    options = {"report_to": "none", "use_cpu": True, "disable_tqdm": True, "max_steps": 2, "eval_steps": 1}
    options |= {"eval_strategy": "steps", "save_strategy": "steps", "save_steps": 1, "save_only_model": True}
    arguments = TrainingArguments(folder, load_best_model_at_end=True, metric_for_best_model="seen", **options)
    return Trainer(model, arguments, data_collator=collate, train_dataset=data, eval_dataset=data, **more)


@pytest.mark.parametrize("target", ["quality_targets", "quality_labels", None])
@pytest.mark.parametrize("head", ["ForCausalLM", "ForSequenceClassification", "ForQuestionAnswering"])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_evaluation_is_written_as_for_any_model(family: Family, tmp_path: Path, head: str, target: str | None) -> None:
    if head not in ("ForCausalLM", *family.heads):
        return
    calls = []

    def metrics(prediction: Any) -> dict[str, float]:
        calls.append(prediction.label_ids)
        return {"seen": float(len(calls))}

    model = family.gated(head)
    assert find_labels(type(model)) == find_labels(family.base_class(head))
    before = [gate.gate.weight.clone() for gate in gates(model)]
    run = trainer(model, tmp_path, rows(head, target), compute_metrics=metrics, callbacks=[EarlyStoppingCallback(2)])
    run.train()
    assert not any(map(torch.equal, before, [gate.gate.weight for gate in gates(model)]))
    assert "eval_loss" in run.evaluate() and calls
    assert isinstance(calls[0], tuple) == (head == "ForQuestionAnswering")
    assert run.predict(rows(head, target)).label_ids is not None
    columns = set(run._signature_columns)
    assert {"quality_targets", "quality_labels"} <= columns
