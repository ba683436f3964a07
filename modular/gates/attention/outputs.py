# SPDX-License-Identifier: Apache-2.0
"""What gated forwards return: the gates, where callers ask for them, handed on around the heads."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature, unwrap

import torch

from transformers.modeling_utils import PreTrainedModel
from transformers.utils import ModelOutput, can_return_tuple


ATTENTION_GATE_INPUTS = r"""
    output_attention_gates (`bool`, *optional*):
        Whether to return the gates of every layer. If it is not given, `config.output_attention_gates` decides.
"""


@dataclass
class AttentionGateOutput(ModelOutput):
    """
    What the gates add to an output.

    attention_gates (`tuple(torch.FloatTensor)`, *optional*, returned when `output_attention_gates=True`):
        One tensor for every layer with a gate, of shape `(batch_size, sequence_length, heads, channels)`: what the output
        of each head was multiplied by. Headwise gates have one channel, elementwise ones as many as a head.
    """

    attention_gates: tuple[torch.FloatTensor, ...] | None = None


class AttentionGateAnswer:
    """Whether one call wants the gates, and what they were: what goes between a head and its base model."""

    def __init__(self, asked: bool):
        self.asked = asked
        self.gates: tuple[torch.Tensor, ...] | None = None


def loss_function_of_base(model: PreTrainedModel, find: Callable = PreTrainedModel.loss_function.fget) -> Callable:
    """The loss function of a model, called as its base calls it: a forward hands on what the gates are asked as well.

    `find` is a default since `torch.compile` does not look into properties.
    """
    own = find(model)

    def loss_function(*args, hand_on_gates=None, **kwargs):
        return own(*args, **kwargs)

    return loss_function


def returns_attention_gates(output_class: type[ModelOutput]) -> Callable[[Callable], Callable]:
    """Decorate the `forward` of a model or head: it returns the gates, where they are asked for, in an `output_class`.

    It names a keyword argument, so that it goes nowhere else, and does nothing with it itself:

        output_attention_gates: whether to return the gates. Where it is not given, the configuration's says so.
    """

    def decorate(forward: Callable) -> Callable:
        own = signature(forward).parameters
        names = [name for name, each in own.items() if each.kind is Parameter.POSITIONAL_OR_KEYWORD]

        @wraps(forward)
        def wrapper(self, *args, **kwargs):
            if "hand_on_gates" in kwargs:  # a head asks, and answers for this model
                return forward(self, *args, **kwargs)
            named = dict(zip(names[1:], args))
            if len(named) < len(args) or named.keys() & kwargs:
                return unwrap(forward)(self, *args, **kwargs)  # Python says what is wrong
            kwargs.update(named)
            asked = kwargs.pop("output_attention_gates", None)
            if asked is None:
                asked = self.config.get_text_config().output_attention_gates
            # Heads drop what they do not know of the base model's output, so the gates go around them
            answer = AttentionGateAnswer(asked)
            fields = dict(forward(self, **kwargs, hand_on_gates=answer))
            if answer.gates is not None:
                fields["attention_gates"] = answer.gates
            return output_class(**fields)

        return can_return_tuple(wrapper)

    return decorate


def records_attention_gates(forward: Callable) -> Callable:
    """Decorate the `forward` of a base model, between `returns_attention_gates` and `capture_outputs`."""

    @wraps(forward)
    def wrapper(self, *args, hand_on_gates: AttentionGateAnswer, **kwargs):
        kwargs |= {"return_dict": True, "output_attention_gates": hand_on_gates.asked}
        outputs = forward(self, *args, **kwargs)
        hand_on_gates.gates = outputs.get("attention_gates")
        return outputs

    return wrapper
