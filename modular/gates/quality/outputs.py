# SPDX-License-Identifier: Apache-2.0
"""What gated forwards return: scores and their loss, asked for by callers, handed on around the heads."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from typing import Any

import torch
from torch import nn

from transformers.cache_utils import Cache
from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_utils import PreTrainedModel
from transformers.utils import ModelOutput, can_return_tuple, logging

from .asking import QualityGateScores
from .configuration import (
    QUALITY_GATE_CHOICES,
    QUALITY_GATE_RANGES,
    QUALITY_LOSSES_OF_TOKENS,
    check_quality_gate_config,
)
from .losses import (
    batch_share,
    labeled_samples,
    labeled_tokens,
    quality_classification_loss,
    targets_by_their_old_name,
)
from .storage import find_quality_gates
from .watching import QualityGateIdle, watch_quality_loss


logger = logging.get_logger(__name__)


# The order is that of the signature. transformers' own text for the second speaks of experts alone.
QUALITY_GATE_INPUTS = r"""
    quality_targets (`torch.Tensor` of shape `(batch_size,)` or `(batch_size, sequence_length)`, *optional*):
        Labels for the quality loss: 1 for a sample of the quality to train for, 0 for any other, negative where
        it is not known, which costs what it does without labels. One for each token where rows hold several samples.
    output_router_logits (`bool`, *optional*):
        Whether to return the scores of the gates and, where the model has experts, the logits of their routers.
        If it is not given, `config.output_quality_logits` decides; in training, and where `quality_targets` are given,
        they are returned.
"""


@dataclass
class QualityGateOutput(ModelOutput):
    """
    What the gates add to an output.

    lm_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned when `labels` is given):
        The loss of the head alone, for a language model the language modeling loss; `loss` is the sum of all.
    quality_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned with the scores):
        The quality loss, mean over layers, before it is weighted.
    aux_loss (`torch.FloatTensor` of shape `(1,)`, *optional*):
        The load balancing loss where the base has experts.
    quality_logits (`tuple(torch.FloatTensor)`, *optional*, returned when `output_router_logits=True`):
        One tensor of shape `(batch_size, sequence_length, 1)` for every layer: the gates' scores before the sigmoid.
    router_logits (`tuple(torch.FloatTensor)`, *optional*, returned when `output_router_logits=True`):
        The logits of the experts' routers where the base has experts, else `quality_logits`.
    """

    lm_loss: torch.FloatTensor | None = None
    quality_loss: torch.FloatTensor | None = None
    aux_loss: torch.FloatTensor | None = None
    quality_logits: tuple[torch.FloatTensor, ...] | None = None
    router_logits: tuple[torch.FloatTensor, ...] | None = None

    def keys(self) -> list[str]:
        """The names of the fields that are there; of a base model's output those that its base has as well.

        A model around a base model may unpack its output, `**outputs`, into a class of its own, which knows no scores.
        They are attributes and items of this output all the same, and part of it as a tuple.
        """
        names = list(self)
        if self.quality_logits is None or "last_hidden_state" not in names:
            return names
        added = {"quality_loss", "quality_logits"}
        if self.router_logits is self.quality_logits:
            added.add("router_logits")
        return [name for name in names if name not in added]

    def to_tuple(self) -> tuple[Any, ...]:
        """All fields that are there, the gates' among them."""
        return tuple(self.values())


class QualityGateOldName(str):
    """An argument's old name: `Trainer` keeps a column of data called so, and counts it for no label of the task.

    It takes every argument with "label" in its name for one, without which there is nothing to evaluate.
    """

    def __contains__(self, part: str) -> bool:
        return part == str(self)


def keep_old_names(forward: Callable) -> None:
    """Tell `Trainer`, which drops the columns of data that no signature names, the old names that a `forward` takes.

    Of the function below all decorators: on the one that is called, compilers read parameters that its code has not.
    """
    own = signature(forward)
    *parameters, rest = own.parameters.values()
    name = QualityGateOldName("quality_labels")
    old = Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=torch.Tensor | None)
    forward.__signature__ = own.replace(parameters=[*parameters, old, rest])


def take_old_names(kwargs: dict[str, Any]) -> None:
    """Give what has an old name in a call its new one."""
    targets = kwargs.pop("quality_labels", None)
    if targets is not None:
        kwargs["quality_targets"] = targets_by_their_old_name(targets, kwargs.get("quality_targets"), stacklevel=5)


def returns_quality_scores(output_class: type[ModelOutput]) -> Callable[[Callable], Callable]:
    """Decorate the `forward` of a model or head: it asks the gates for scores and returns them in an `output_class`.

    It names two keyword arguments, so that they go nowhere else, and does nothing with them itself:

        quality_targets: `[batch]`, 1 for a sample of the quality to train for, 0 for any other, negative for unknown;
            or `[batch, tokens]`, where rows hold several samples.
        output_router_logits: whether to compute and return scores. Where it is not given, they are returned if the
            config's `output_quality_logits` says so, or a mixture's `output_router_logits`, in training, and with targets.

    With scores it also returns their quality loss, and adds it to the loss where there is one. A step of generation, which
    has a cache and no labels, has no quality loss.
    """

    def decorate(forward: Callable) -> Callable:
        own = signature(forward).parameters
        takes = [name for name, each in own.items() if each.kind is Parameter.POSITIONAL_OR_KEYWORD][1:]
        takes = [name for name in takes if name != "output_quality_logits"]  # ours, and the base takes none more
        keep_old_names(forward)

        @wraps(forward, updated=())
        def wrapper(self, *args, **kwargs):
            scores = kwargs.get("output_quality_logits")
            if isinstance(scores, QualityGateScores):  # a head asks, and answers for this model
                if scores.routers is not None and records_router_logits(self):
                    kwargs.setdefault("output_router_logits", scores.routers)
                return forward(self, *args, **kwargs)
            if args:
                kwargs = named_arguments(forward, takes, args, kwargs)
            take_old_names(kwargs)
            check_quality_inputs(**kwargs)
            given = dict(kwargs)
            kwargs.pop("quality_targets", None)
            kwargs.pop("output_quality_logits", None)
            # Heads drop what they do not know of the base model's output, so the scores go around them
            scores = QualityGateScores(asks_for_quality_scores(self, **given), given.get("output_router_logits"))
            outputs = forward(self, **kwargs, output_quality_logits=scores)
            fields = add_quality_scores(self, outputs, tuple(scores.logits) or None, **given)
            watch_quality_loss(self, fields)
            return output_class(**fields)

        return can_return_tuple(wrapper)

    return decorate


def named_arguments(
    forward: Callable, names: list[str], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """All arguments of a call by their names. Raises TypeError where Python does: too many, or one given twice."""
    if len(args) > len(names):
        raise TypeError(
            f"{forward.__qualname__}() takes {len(names) + 1} positional arguments but {len(args) + 1} were given"
        )
    for name in names[: len(args)]:
        if name in kwargs:
            raise TypeError(f"{forward.__qualname__}() got multiple values for argument '{name}'")
    return {**dict(zip(names, args)), **kwargs}


def loss_function_of_base(model: PreTrainedModel, find: Callable = PreTrainedModel.loss_function.fget) -> Callable:
    """The loss function of a model, called as its base calls it: a forward hands on what the gates are asked as well.

    `find` is a default since `torch.compile` does not look into properties.
    """
    own = find(model)

    def loss_function(*args, output_quality_logits=None, output_router_logits=None, **kwargs):
        return own(*args, **kwargs)

    return loss_function


def records_quality_scores(forward: Callable) -> Callable:
    """Decorate the `forward` of a base model, directly below `returns_quality_scores`.

    Raises:
        ValueError: gradients are wanted, but the scores carry none.
    """

    @wraps(forward)
    def wrapper(self, *args, output_quality_logits: QualityGateScores, **kwargs):
        check_quality_gate_fields(self)
        scores = QualityGateScores(output_quality_logits.asked)
        kwargs |= {"return_dict": True, "output_quality_logits": scores if scores.asked else False}
        outputs = forward(self, *args, **kwargs)
        logits = scores.logits
        if logits and torch.is_grad_enabled() and not logits[-1].requires_grad:
            checkpoints = any(getattr(module, "gradient_checkpointing", False) for module in self.modules())
            trains_layers = checkpoints and outputs.last_hidden_state.requires_grad
            if trains_layers or any(gate.weight.requires_grad for gate in find_quality_gates(self).values()):
                raise ValueError(
                    "The quality scores carry no gradients: reentrant gradient checkpointing computes them without. "
                    "Use `gradient_checkpointing_kwargs={'use_reentrant': False}`, or ask for no scores: "
                    "`output_router_logits=False`."
                )
        elif not logits and self.training:
            gates = [weight for name, weight in self.named_parameters() if ".quality_gate." in name]
            idle = [weight for weight in gates if weight.requires_grad and weight.numel()]  # an empty one is elsewhere
            outputs["last_hidden_state"] = QualityGateIdle.apply(outputs.last_hidden_state, *idle)
        output_quality_logits.logits = logits
        return outputs

    return wrapper


def asks_for_quality_scores(
    model: PreTrainedModel,
    output_router_logits: bool | None = None,
    quality_targets: torch.Tensor | None = None,
    **kwargs,
) -> bool:
    """Whether a call of `forward` wants scores: it says so itself, else the config does; else training and targets do.

    With targets an evaluation has the quality loss in its loss, which chooses among checkpoints.
    """
    if output_router_logits is not None:
        return output_router_logits
    config = model.config.get_text_config()
    # The second is a mixture's own, or was set by the name that the first once had
    asks = config.output_quality_logits or getattr(config, "output_router_logits", False)
    return asks or model.training or quality_targets is not None


def quality_gate_fields(config: PreTrainedConfig) -> list[Any]:
    """What a config says in the fields that are checked, the mode first."""
    names = (*QUALITY_GATE_CHOICES, *QUALITY_GATE_RANGES)
    if torch.compiler.is_compiling():
        return [getattr(config, name) for name in names]
    own = vars(config)  # a tenth of the time, at every forward
    return [own[name] for name in names]


def check_quality_gate_fields(model: PreTrainedModel) -> None:
    """Raise a ValueError where the config of a base model has come to say what it may not, or another mode."""
    fields = quality_gate_fields(model.config)
    if fields != model.quality_gate_fields:
        check_quality_gate_config(model.config)
        if fields[0] != model.quality_gate_fields[0]:
            raise ValueError(
                f"`quality_gate_mode` was {model.quality_gate_fields[0]!r} when this model was built, and is now "
                f"{fields[0]!r}: build the model anew from the changed config."
            )


def check_quality_inputs(
    input_ids: torch.Tensor | None = None,
    inputs_embeds: torch.Tensor | None = None,
    attention_mask: torch.Tensor | None = None,
    cache: Cache | None = None,
    past_key_values: Cache | None = None,
    quality_targets: torch.Tensor | None = None,
    **kwargs,
) -> None:
    """Raise a ValueError where `quality_targets`, or a mask without a cache, do not fit the tokens."""
    tokens = input_ids if input_ids is not None else inputs_embeds
    if tokens is None:
        return  # the base says what is missing
    batch_size, length = tokens.shape[:2]
    if quality_targets is not None and quality_targets.shape not in ((batch_size,), (batch_size, length)):
        raise ValueError(
            f"`quality_targets` has the shape {tuple(quality_targets.shape)}, but must have one value for each sample: "
            f"({batch_size},), or for each token: ({batch_size}, {length})."
        )
    if quality_targets is not None:
        check_quality_values(quality_targets)
    is_mask_of_tokens = isinstance(attention_mask, torch.Tensor) and attention_mask.ndim == 2
    has_no_cache = cache is None and past_key_values is None  # releases name it one way or the other
    if is_mask_of_tokens and has_no_cache and attention_mask.shape != (batch_size, length):
        raise ValueError(
            f"`attention_mask` has the shape {tuple(attention_mask.shape)}, but without a cache it must have one "
            f"value for each token: ({batch_size}, {length})."
        )


def check_quality_values(quality_targets: torch.Tensor) -> None:
    """Raise a ValueError (within a compiled graph a RuntimeError) where values are neither 0 to 1 nor unknown."""
    is_known = quality_targets >= 0
    is_wrong = (is_known & (quality_targets > 1)) | (quality_targets == -math.inf)
    rule = "must be from 0 to 1, or negative or NaN where the quality of a sample is unknown"
    if torch.compiler.is_compiling():  # nothing waits for the values there
        torch._assert_async(is_wrong.logical_not().all(), f"`quality_targets` {rule}.")
    elif is_wrong.any():
        raise ValueError(f"`quality_targets` holds {quality_targets[is_wrong][0].item()}, but {rule}.")


def records_router_logits(model: nn.Module) -> bool:
    """Whether the logits of experts' routers are among what transformers records of a model."""
    return "router_logits" in (getattr(model, "_can_record_outputs", None) or ())


def add_quality_scores(
    model: PreTrainedModel,
    outputs: ModelOutput,
    logits: tuple[torch.Tensor, ...] | None,
    attention_mask: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    cache: Cache | None = None,
    past_key_values: Cache | None = None,
    labels: torch.Tensor | None = None,
    quality_targets: torch.Tensor | None = None,
    num_items_in_batch: torch.Tensor | int | None = None,
    shift_labels: torch.Tensor | None = None,
    **kwargs,
) -> dict[str, Any]:
    """The fields of a base's output, and those that the gates add."""
    fields = dict(outputs)
    loss, aux_loss = fields.get("loss"), fields.get("aux_loss")
    if loss is not None:  # a base with experts has added its own auxiliary loss
        fields["lm_loss"] = loss if aux_loss is None else loss - model.router_aux_loss_coef * aux_loss.to(loss.device)
    if logits is None:
        return fields
    fields["quality_logits"] = logits
    if not any(map(records_router_logits, (model, model.base_model, *model.children()))):
        fields["router_logits"] = logits
    has_cache = cache is not None or past_key_values is not None
    if has_cache and labels is None and quality_targets is None:
        return fields  # a step of generation: the loss of its few tokens is nobody's
    config = model.config.get_text_config()
    labeled = labeled_tokens(model, labels, shift_labels) if num_items_in_batch is not None else None
    quality_loss = quality_classification_loss(
        logits,
        config,
        attention_mask,
        config.quality_loss_debug,
        quality_targets,
        position_ids,
        labeled=labeled_samples(labeled, logits[0]),
    )
    fields["quality_loss"] = quality_loss
    if loss is not None:
        if quality_loss.requires_grad and quality_targets is None:
            warn_of_closing_gates(config)
        share = batch_share(labeled, num_items_in_batch, loss.device)
        fields["loss"] = loss + config.quality_loss_weight * share * quality_loss.to(loss.device)
    return fields


def warn_of_closing_gates(config: PreTrainedConfig) -> None:
    """Warn once where nothing in the loss keeps a gate open."""
    only_closes = config.quality_gate_mode == "observe" and config.quality_loss_type in QUALITY_LOSSES_OF_TOKENS
    if only_closes and not torch.compiler.is_compiling():
        logger.warning_once(
            f"The {config.quality_loss_type} quality loss closes every gate for every text: gates that only observe "
            "cost the language model nothing. Pass `quality_targets` (1 for samples of the quality to train for, else "
            '0), set `quality_gate_mode="scale_ffn"`, or ask for no scores: `output_router_logits=False`.'
        )
