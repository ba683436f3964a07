# SPDX-License-Identifier: Apache-2.0
"""What gated forwards return: what was read, and the losses of the gates, handed on around the heads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature, unwrap
from typing import Any

import torch

from transformers.cache_utils import Cache
from transformers.modeling_utils import PreTrainedModel
from transformers.utils import ModelOutput, can_return_tuple

from .reading import MemoryReading


MEMORY_GATE_INPUTS = r"""
    output_memory (`bool`, *optional*):
        Whether to return which rows of the memory were read. If it is not given, `config.output_memory` decides.
    memory_targets (`torch.LongTensor` of shape `(batch_size, sequence_length)`, *optional*):
        For training, the row that each token is to read; `-1` where none of the bank answers, `-100` where nothing is
        known.
"""


@dataclass
class MemoryGateOutput(ModelOutput):
    """
    What the gates add to an output.

    lm_loss (`torch.FloatTensor` of shape `(1,)`, *optional*, returned when `labels` is given):
        The loss of the head alone; `loss` is the sum of all.
    aux_loss (`dict[str, torch.FloatTensor]`, *optional*, returned with `labels` or `memory_targets`):
        The losses of the gates by their names, each the mean over gates, before they are weighted.
    memory_rows (`tuple(torch.LongTensor)`, *optional*, returned when `output_memory=True`):
        One tensor for every gate, of shape `(batch_size, sequence_length, num_selected)`: the rows that were found, 0
        where there was none.
    memory_alphas (`tuple(torch.FloatTensor)`, *optional*, returned when `output_memory=True`):
        One tensor for every gate, of shape `(batch_size, sequence_length)`: how far they were let in, from 0 to 1.
    memory_stats (`dict[str, torch.FloatTensor]`, *optional*, returned when `output_memory=True`):
        Over all gates and tokens: `"coverage_rate"`, the share of the rows that were found at all, `"hot_rows"`, the
        number of rows with a tenth of all finds or more, `"mean_alpha"`, `"read_rate"`, the share of tokens let in by
        more than a half.
    """

    lm_loss: torch.FloatTensor | None = None
    aux_loss: dict[str, torch.FloatTensor] | None = None
    memory_rows: tuple[torch.LongTensor, ...] | None = None
    memory_alphas: tuple[torch.FloatTensor, ...] | None = None
    memory_stats: dict[str, torch.FloatTensor] | None = None


class MemoryCall:
    """What a call of a head asks of the gates, and the reading that its base model made for it."""

    def __init__(self, targets: torch.Tensor | None = None, asked: bool = False):
        self.targets, self.asked = targets, asked
        self.reading: MemoryReading | None = None


def loss_function_of_base(model: PreTrainedModel, find: Callable = PreTrainedModel.loss_function.fget) -> Callable:
    """The loss function of a model, called as its base calls it: a forward hands on what the gates are asked as well.

    `find` is a default since `torch.compile` does not look into properties.
    """
    own = find(model)

    def loss_function(*args, hand_on_memory=None, **kwargs):
        return own(*args, **kwargs)

    return loss_function


def returns_memory(output_class: type[ModelOutput]) -> Callable[[Callable], Callable]:
    """Decorate the `forward` of a model or head: it returns what was read, where that is asked for, in an `output_class`.

    It names two keyword arguments, so that they go nowhere else:

        output_memory: whether to return what was read. Where it is not given, the configuration's says so.
        memory_targets: for training, the row that each token is to read, `[batch, tokens]`; -1 where none of the bank
            answers, -100 where nothing is known. A row that is named is read in full.
    """

    def decorate(forward: Callable) -> Callable:
        own = signature(forward).parameters
        names = [name for name, each in own.items() if each.kind is Parameter.POSITIONAL_OR_KEYWORD]

        @wraps(forward)
        def wrapper(self, *args, **kwargs):
            if kwargs.get("hand_on_memory") is not None or kwargs.get("memory") is not None:
                return forward(self, *args, **kwargs)  # a head asks, and answers for this model
            named = dict(zip(names[1:], args))
            if len(named) < len(args) or named.keys() & kwargs:
                return unwrap(forward)(self, *args, **kwargs)  # Python says what is wrong
            kwargs.update(named)
            asked = kwargs.pop("output_memory", None)
            if asked is None:
                asked = self.config.get_text_config().output_memory
            call = MemoryCall(kwargs.pop("memory_targets", None), asked)
            fields = dict(forward(self, hand_on_memory=call, **kwargs))
            return output_class(**add_memory(self, fields, call, **kwargs))

        return can_return_tuple(wrapper)

    return decorate


def reads_memory(forward: Callable) -> Callable:
    """Decorate the `forward` of a base model, between `returns_memory` and `capture_outputs`: it makes the reading."""

    @wraps(forward)
    def wrapper(self, *args, hand_on_memory: MemoryCall | None = None, **kwargs):
        if hand_on_memory is None or not self.config.get_text_config().use_memory:
            return forward(self, *args, **kwargs)
        call, mask = hand_on_memory, kwargs.get("attention_mask")
        memory = MemoryReading(self, mask, cache_of(kwargs), call.targets)
        call.reading = memory
        outputs = forward(self, *args, memory=memory, **kwargs | {"return_dict": True})
        memory.keep(cache_of(outputs))
        return outputs

    return wrapper


def cache_of(values: Mapping[str, Any]) -> Cache | None:
    """The cache among arguments or outputs; releases name it one way or the other."""
    named = set(values.keys())  # `in` knows old names, and warns of them
    return next((values[name] for name in ("cache", "past_key_values") if name in named), None)


def add_memory(
    model: PreTrainedModel, fields: dict[str, Any], call: MemoryCall, labels: torch.Tensor | None = None, **kwargs
) -> dict[str, Any]:
    """The fields of a base's output, and those that the gates add."""
    loss, memory = fields.get("loss"), call.reading
    if loss is not None:
        fields["lm_loss"] = loss
    if memory is None:
        return fields
    if labels is not None or call.targets is not None:
        config = model.config.get_text_config()
        means = {name: torch.stack([*each.values()]).mean() for name, each in memory.losses.items()}
        weighted = [getattr(config, f"{name}_coef") * each for name, each in means.items()]
        if means:
            fields["aux_loss"] = means
            weighted = torch.stack(weighted).sum()
            fields["loss"] = weighted if loss is None else loss + weighted.to(loss.device)
    if call.asked:
        fields["memory_rows"], fields["memory_alphas"] = tuple(memory.rows.values()), tuple(memory.alphas.values())
        found = [rows[memory.found[number]] for number, rows in memory.rows.items()]
        fields["memory_stats"] = memory_stats(found, fields["memory_alphas"], len(memory.bank.memory_bank))
    return fields


@torch.no_grad()
def memory_stats(rows: list[torch.Tensor], alphas: tuple[torch.Tensor, ...], number: int) -> dict[str, torch.Tensor]:
    """How a bank of so many rows was used, by the rows that were found."""
    found = torch.cat([each.flatten().cpu() for each in rows]) if rows else torch.zeros(0, dtype=torch.long)
    counts = torch.bincount(found, minlength=number)
    let_in = torch.cat([each.flatten().float().cpu() for each in alphas]) if alphas else torch.zeros(1)
    return {
        "coverage_rate": (counts > 0).float().mean(),
        "hot_rows": (counts * 10 >= max(len(found), 1)).sum(),
        "mean_alpha": let_in.mean(),
        "read_rate": (let_in > 0.5).float().mean(),
    }
