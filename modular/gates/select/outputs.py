# SPDX-License-Identifier: Apache-2.0
"""What gated forwards return: scores, losses, and the logits of routers, handed on around the heads."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature, unwrap
from typing import Any

import torch

from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_utils import PreTrainedModel
from transformers.utils import ModelOutput, can_return_tuple

from .configuration import EXPERTS_OF_A_TOKEN
from .losses import balancing_loss, select_quality_loss


# transformers' own text speaks of experts alone.
SELECT_GATE_INPUTS = r"""
    output_router_logits (`bool`, *optional*):
        Whether to return the scores of the gates and the logits of the routers. If it is not given,
        `config.output_router_logits` decides; in training they are returned.
    output_quality_logits (`bool`, *optional*):
        Whether to record the scores of the gates alone, which is what a head asks of its base model.
"""


@dataclass
class SelectGateOutput(ModelOutput):
    """
    What the gates add to an output.

    lm_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned when `labels` is given):
        The loss of the head alone, for a language model the language modeling loss; `loss` is the sum of all.
    quality_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned with the scores):
        The quality loss, mean over layers, before it is weighted.
    aux_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned with `labels`, or with `output_router_logits=True`):
        The weighted quality loss, and the load balancing loss where `config.enable_load_balancing` says so.
    quality_logits (`tuple(torch.FloatTensor)`, *optional*, returned when `output_router_logits=True`):
        One tensor of shape `(batch_size, sequence_length, 1)` for every layer with a gate: its scores before the sigmoid.
    router_logits (`tuple(dict[str, torch.FloatTensor])`, *optional*, returned when `output_router_logits=True`):
        One dictionary for every layer with a gate: `"quality_score"`, as above, and, where the base returns the logits of
        its routers, these as `"moe_logits"` of shape `(batch_size * sequence_length, num_experts)`.
    """

    lm_loss: torch.FloatTensor | None = None
    quality_loss: torch.FloatTensor | None = None
    aux_loss: torch.FloatTensor | None = None
    quality_logits: tuple[torch.FloatTensor, ...] | None = None
    router_logits: tuple[dict[str, torch.FloatTensor], ...] | None = None


class SelectGateScores:
    """Whether one call wants scores, and what came of it: what goes between a head and its base model."""

    def __init__(self, asked: bool):
        self.asked = asked
        self.quality_logits: tuple[torch.Tensor, ...] | None = None
        self.moe_logits: tuple[torch.Tensor, ...] | None = None


def loss_function_of_base(model: PreTrainedModel, find: Callable = PreTrainedModel.loss_function.fget) -> Callable:
    """The loss function of a model, called as its base calls it: a forward hands on what the gates are asked as well.

    `find` is a default since `torch.compile` does not look into properties.
    """
    own = find(model)

    def loss_function(*args, hand_on_scores=None, output_router_logits=None, **kwargs):
        return own(*args, **kwargs)

    return loss_function


def returns_select_scores(output_class: type[ModelOutput]) -> Callable[[Callable], Callable]:
    """Decorate the `forward` of a model or head: it returns the scores of the gates, with their losses.

    It names a keyword argument, so that it goes nowhere else:

        output_router_logits: whether to return scores and routers' logits. Where it is not given, they are returned if
            the config's `output_router_logits` says so, and in training.

    With scores it also returns their quality loss, and adds it to the loss where there is one. `aux_loss`, which stands
    before the logits in a tuple, is returned where a call has labels or asks for the scores itself. A step of generation,
    which has a cache and no labels, has no quality loss.
    """

    def decorate(forward: Callable) -> Callable:
        own = signature(forward).parameters
        names = [name for name, each in own.items() if each.kind is Parameter.POSITIONAL_OR_KEYWORD]

        @wraps(forward)
        def wrapper(self, *args, **kwargs):
            if "hand_on_scores" in kwargs:  # a head asks, and answers for this model
                return forward(self, *args, **kwargs)
            named = dict(zip(names[1:], args))
            if len(named) < len(args) or named.keys() & kwargs:
                return unwrap(forward)(self, *args, **kwargs)  # Python says what is wrong
            kwargs.update(named)
            asks = kwargs.pop("output_router_logits", None)
            given = dict(kwargs)
            asked = asks
            if asks is None:
                asked = self.config.get_text_config().output_router_logits or self.training
            # Heads drop what they do not know of the base model's output, so scores go around them
            scores = SelectGateScores(asked)
            kwargs |= {"hand_on_scores": scores, "output_router_logits": asked and balances_load(self, **given)}
            given |= {"asks": asks, "balances": kwargs["output_router_logits"]}
            fields = dict(forward(self, **kwargs))
            return output_class(**add_select_scores(self, fields, scores.quality_logits, scores.moe_logits, **given))

        return can_return_tuple(wrapper)

    return decorate


def records_select_scores(forward: Callable) -> Callable:
    """Decorate the `forward` of a base model, between `returns_select_scores` and `capture_outputs`.

    Raises:
        ValueError: gradients are wanted, but the scores carry none.
    """

    @wraps(forward)
    def wrapper(self, *args, hand_on_scores: SelectGateScores, **kwargs):
        kwargs |= {"return_dict": True, "output_router_logits": hand_on_scores.asked}
        kwargs["output_quality_logits"] = hand_on_scores.asked
        outputs = forward(self, *args, **kwargs)
        logits = outputs.get("quality_logits")
        if logits and torch.is_grad_enabled() and not logits[-1].requires_grad:
            if any(weight.requires_grad for name, weight in self.named_parameters() if ".select_gate.gate." in name):
                raise ValueError(
                    "The quality scores carry no gradients: reentrant gradient checkpointing computes them without. "
                    "Use `gradient_checkpointing_kwargs={'use_reentrant': False}`, or ask for no scores: "
                    "`output_router_logits=False`."
                )
        hand_on_scores.quality_logits, hand_on_scores.moe_logits = logits, outputs.get("router_logits")
        return outputs

    return wrapper


def balances_load(
    model: PreTrainedModel,
    input_ids: torch.Tensor | None = None,
    inputs_embeds: torch.Tensor | None = None,
    attention_mask: torch.Tensor | None = None,
    **kwargs,
) -> bool:
    """Whether a call has a load balancing loss: the config says so, and the mask is that of the tokens.

    With a cache it is longer than the routers' logits or prepared for attention, and the base's loss fails on it.
    """
    tokens = input_ids if input_ids is not None else inputs_embeds
    if not model.config.get_text_config().enable_load_balancing or tokens is None:
        return False
    if attention_mask is None:
        return True
    return isinstance(attention_mask, torch.Tensor) and attention_mask.shape == tokens.shape[:2]


def add_select_scores(
    model: PreTrainedModel,
    fields: dict[str, Any],
    quality_logits: tuple[torch.Tensor, ...] | None,
    moe_logits: tuple[torch.Tensor, ...] | None,
    attention_mask: torch.Tensor | None = None,
    cache: Any = None,
    past_key_values: Any = None,
    labels: torch.Tensor | None = None,
    num_items_in_batch: torch.Tensor | int | None = None,
    asks: bool | None = None,
    balances: bool = False,
    **kwargs,
) -> dict[str, Any]:
    """The fields of a base's output, and those that the gates add."""
    config = model.config.get_text_config()
    coefficient = getattr(model, "router_aux_loss_coef", config.router_aux_loss_coef)
    loss, balance = fields.get("loss"), fields.pop("aux_loss", None)
    if loss is not None:  # the base has added its load balancing loss
        fields["lm_loss"] = loss if balance is None else loss - coefficient * balance.to(loss.device)
    if not quality_logits:
        return fields
    if balances and balance is None and moe_logits:
        balance = balancing_loss(moe_logits, experts_of_a_token(config), attention_mask)
        if loss is not None:
            loss = loss + coefficient * balance.to(loss.device)
    fields["quality_logits"] = quality_logits
    fields["router_logits"] = paired_logits(quality_logits, moe_logits)
    has_cache = cache is not None or past_key_values is not None  # releases name it one way or the other
    if has_cache and labels is None:
        return fields  # a step of generation: the loss of its few tokens is nobody's
    custom = vars(model).get("quality_loss_function", type(model).quality_loss_function)
    quality_loss = select_quality_loss(quality_logits, config, attention_mask, custom)
    weighted = config.quality_loss_weight * quality_loss
    fields["quality_loss"] = quality_loss
    if asks or labels is not None:
        fields["aux_loss"] = weighted if balance is None else balance.to(weighted.device) + weighted
    if loss is not None:
        share = share_of_batch(labels, num_items_in_batch, loss.device)
        fields["loss"] = loss + coefficient * share * weighted.to(loss.device)
    return fields


def paired_logits(
    quality_logits: tuple[torch.Tensor, ...], moe_logits: tuple[torch.Tensor, ...] | None
) -> tuple[dict[str, torch.Tensor], ...]:
    """Each gate's scores with the logits of its mixture's router, where the base returns one for every gate."""
    if not moe_logits or len(moe_logits) != len(quality_logits):
        return tuple({"quality_score": score} for score in quality_logits)
    return tuple({"quality_score": score, "moe_logits": logits} for score, logits in zip(quality_logits, moe_logits))


def share_of_batch(
    labels: torch.Tensor | None, num_items_in_batch: torch.Tensor | int | None, device: torch.device
) -> torch.Tensor | float:
    """The share of a whole batch's labels that this call sees, so that accumulated losses add up to the batch's."""
    if labels is None or num_items_in_batch is None:
        return 1.0
    targets = labels[..., 1:] if labels.ndim > 1 else labels
    return targets.ne(-100).sum().to(device) / torch.as_tensor(num_items_in_batch, device=device)


def experts_of_a_token(config: PreTrainedConfig) -> int:
    """How many experts a token is routed to, whatever the base calls that; 0 where it says nothing of the kind."""
    found = (getattr(config, name, None) for name in EXPERTS_OF_A_TOKEN)
    return next((number for number in found if isinstance(number, int)), 0)


def check_load_balancing(model: PreTrainedModel, config: PreTrainedConfig) -> None:
    """Raise a ValueError where load balancing is wanted of a base whose routers hand nothing on."""
    text = config.get_text_config()
    hands_on = "router_logits" in (type(model)._can_record_outputs or {}) and experts_of_a_token(text) > 0
    if text.enable_load_balancing and not hands_on:
        raise ValueError(
            "`enable_load_balancing` is True, but must be False here: this base does not return the logits of its routers."
        )


def set_trash_experts(model: PreTrainedModel) -> None:
    """Give each gate of the mode "custom" the module that the model's class says, where it has none."""
    make = type(model).trash_expert  # of the class, where a function stays one
    if make is None or model.config.get_text_config().trash_expert_mode != "custom":
        return
    for name, module in model.named_modules():
        if name.endswith(".select_gate") and module.trash is None:
            module.trash = make(model.config.get_text_config())
