"""A gated model can be treated as its base: pickled, copied, called wrongly, changed, its outputs unpacked."""

from __future__ import annotations

import copy
import io
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from families import LAYERS, Family, tokens
from rounding.layout import lay_out_anew

import generated.quality_gate_bart as bart
import generated.quality_gate_bert as bert
import generated.quality_gate_mixtral as mixtral
import generated.quality_gate_opt as opt
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.utils import ModelOutput


SMALL = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2}
SMALL |= {"num_hidden_layers": 2, "num_key_value_heads": 2, "max_position_embeddings": 32, "pad_token_id": 0}
OTHERS: dict[str, Callable[[], PreTrainedModel]] = {
    "encoder": lambda: bert.QualityGateBertForMaskedLM(bert.QualityGateBertConfig(**SMALL)),
    "sequence to sequence": lambda: bart.QualityGateBartForCausalLM(
        bart.QualityGateBartConfig(vocab_size=64, d_model=16, decoder_layers=2, decoder_attention_heads=2)
    ),
    "mixture": lambda: mixtral.QualityGateMixtralForCausalLM(
        mixtral.QualityGateMixtralConfig(**SMALL, num_local_experts=2, num_experts_per_tok=1)
    ),
    "older": lambda: opt.QualityGateOPTForCausalLM(
        opt.QualityGateOPTConfig(
            vocab_size=64,
            hidden_size=16,
            ffn_dim=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            word_embed_proj_dim=16,
        )
    ),
}


def saved(model: PreTrainedModel) -> PreTrainedModel:
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


COPIES: dict[str, Callable[[PreTrainedModel], PreTrainedModel]] = {
    "pickled": lambda model: pickle.loads(pickle.dumps(model)),
    "copied": copy.deepcopy,
    "saved": saved,
}


def used(model: PreTrainedModel) -> PreTrainedModel:
    """A model after a training step, and forwards that return everything they can."""
    model.train()(tokens(), labels=tokens()).loss.backward()
    model.zero_grad()
    model.eval()(tokens(), output_router_logits=True, output_hidden_states=True)
    return model


def assert_copied(model: PreTrainedModel, name: str) -> None:
    expected = lay_out_anew(used(model))(tokens(), output_router_logits=True)
    again = lay_out_anew(COPIES[name](model))
    for each in (again, model):
        outputs = each(tokens(), output_router_logits=True, output_hidden_states=True)
        assert torch.equal(outputs.logits, expected.logits) and len(outputs.hidden_states) == LAYERS + 1
        assert len(outputs.quality_logits) == LAYERS
        assert all(map(torch.equal, outputs.quality_logits, expected.quality_logits))


@pytest.mark.parametrize("name", COPIES)
def test_a_used_model_is_pickled_copied_and_saved(family: Family, name: str) -> None:
    assert_copied(family.gated(), name)


@pytest.mark.parametrize("kind", OTHERS)
def test_models_of_other_kinds_are_pickled(kind: str) -> None:
    assert_copied(OTHERS[kind](), "pickled")


def test_a_layer_of_a_trained_model_is_pickled(family: Family) -> None:
    model = family.gated().train()
    model(tokens(), labels=tokens()).loss.backward()
    pickle.dumps(model.model.layers[0])
    assert not any(module._forward_hooks for module in model.modules())


def test_hooks_of_others_stay(family: Family) -> None:
    model, seen = used(family.gated()), []
    model.model.layers[0].register_forward_hook(lambda *_: seen.append(1))
    copy.deepcopy(model)(tokens())
    model(tokens())
    assert seen == [1, 1]


@pytest.mark.parametrize("part", ["ForCausalLM", "Model"])
def test_arguments_too_many_or_given_twice_are_refused(family: Family, part: str) -> None:
    for model in family.pair(part):
        with pytest.raises(TypeError, match=r"multiple values for( keyword)? argument 'input_ids'"):
            model(tokens(), input_ids=tokens())
        with pytest.raises(TypeError):
            model(*[None] * 40)
        model(tokens(), torch.ones_like(tokens()))


@pytest.mark.parametrize("kind", OTHERS)
def test_arguments_of_other_kinds_are_refused(kind: str) -> None:
    model = OTHERS[kind]().eval()
    with pytest.raises(TypeError, match="multiple values for argument 'input_ids'"):
        model(tokens(), input_ids=tokens())
    with pytest.raises(TypeError, match="positional arguments"):
        model(*[None] * 40)


CHANGES = {
    "quality_loss_weight": math.nan,
    "quality_loss_balance": -1.0,
    "beta_target_mean": math.inf,
    "quality_loss_type": "cubic",
    "quality_gate_mode": "scale_ffn",
}


@pytest.mark.parametrize("field", CHANGES)
@pytest.mark.parametrize("training", [False, True])
def test_a_config_changed_for_the_worse_is_told_at_the_next_forward(
    family: Family, field: str, training: bool
) -> None:
    model = family.gated().train(training)
    model(tokens())
    setattr(model.config, field, CHANGES[field])
    for part in (model, model.model):
        with pytest.raises(ValueError, match=f"`{field}` (is|was)"):
            part(tokens())


def test_a_config_changed_before_its_model_is_built_is_no_problem(family: Family) -> None:
    config = family.config()
    config.quality_gate_mode = "scale_ffn"
    model = family.gated_class("ForCausalLM")(config)
    assert all(layer.scale_ffn for layer in model.model.layers) and model(tokens()).loss is None
    config.quality_loss_weight = 2
    model(tokens(), labels=tokens())


@pytest.mark.parametrize("value", [math.inf, -math.inf, 2, 1.001])
def test_targets_that_mean_nothing_are_refused(family: Family, value: float) -> None:
    with pytest.raises(ValueError, match="`quality_targets` holds .* from 0 to 1"):
        family.gated()(tokens(), labels=tokens(), quality_targets=torch.tensor([1, value]), output_router_logits=True)


@pytest.mark.parametrize("values", [[0, 1], [True, False], [0.25, 1.0], [-1, 1], [-100.0, 0.0], [math.nan, 1.0]])
def test_targets_that_mean_something_are_taken(family: Family, values: list[float]) -> None:
    outputs = family.gated()(tokens(), quality_targets=torch.tensor(values), output_router_logits=True)
    assert outputs.quality_loss.isfinite()


@dataclass
class OutputOfAnother(BaseModelOutputWithPast):
    """What a model around a text model returns."""

    image_hidden_states: Any = None


def test_outputs_of_a_base_model_can_be_unpacked_into_another_class(family: Family) -> None:
    _, model = family.pair("Model")
    outputs = model(tokens(), output_router_logits=True, output_hidden_states=True)
    routers = {"router_logits": outputs.router_logits} if family.has_experts else {}
    assert {**outputs}.keys() == {"last_hidden_state", family.cache, "hidden_states", *routers}
    if not routers:  # a base with experts would not fit either
        again = OutputOfAnother(**outputs, image_hidden_states=0)
        assert again.last_hidden_state is outputs.last_hidden_state and len(again.hidden_states) == LAYERS + 1
    assert outputs["quality_logits"] is outputs.quality_logits and "quality_loss" in outputs
    assert any(each is outputs.quality_logits for each in outputs.to_tuple())
    assert len(outputs.to_tuple()) == len(list(outputs)) == len(outputs.items())
    kept = type(outputs)(dict(outputs.items()))
    assert isinstance(kept, ModelOutput) and torch.equal(kept.quality_logits[0], outputs.quality_logits[0])


def test_outputs_of_a_head_are_unpacked_whole(family: Family) -> None:
    outputs = family.gated()(tokens(), output_router_logits=True)
    assert {"logits", "quality_logits", "router_logits", "quality_loss"} <= {**outputs}.keys()
    assert type(outputs)(**outputs).to_tuple() == outputs.to_tuple()


def test_other_kinds_hand_on_what_their_base_does() -> None:
    for kind in ("encoder", "sequence to sequence", "older"):
        outputs = OTHERS[kind]().eval().base_model(input_ids=tokens(), output_router_logits=True)
        assert outputs.quality_logits is not None and not {"quality_logits", "router_logits"} & {**outputs}.keys(), (
            kind
        )
