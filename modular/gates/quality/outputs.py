# SPDX-License-Identifier: Apache-2.0
"""What gated forwards return: scores and their loss, asked for by callers, handed on around the heads."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from typing import Any

import torch

from transformers.modeling_utils import PreTrainedModel
from transformers.utils import ModelOutput, can_return_tuple

from .asking import QualityGateScores
from .checks import check_quality_gate_fields, check_quality_inputs
from .losses import targets_by_their_old_name
from .storage import find_quality_gates
from .sums import add_quality_scores, records_router_logits
from .watching import QualityGateIdle, watch_quality_loss


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
