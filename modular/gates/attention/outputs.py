# SPDX-License-Identifier: Apache-2.0
"""What gated forwards return: the gates, where callers ask for them, handed on around the heads."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature

import torch

from transformers.utils import ModelOutput, can_return_tuple


@dataclass
class AttentionGateOutput(ModelOutput):
    """
    What the gates add to an output.

    attention_gates (`tuple(torch.FloatTensor)`, *optional*, returned when `output_attention_gates=True`):
        One tensor for every layer with a gate, of shape `(batch_size, sequence_length, heads, channels)`: what the output
        of each head was multiplied by. Headwise gates have one channel, elementwise ones as many as a head.
    """

    attention_gates: tuple[torch.FloatTensor, ...] | None = None


def returns_attention_gates(output_class: type[ModelOutput]) -> Callable[[Callable], Callable]:
    """Decorate the `forward` of a model or head: it returns the gates, where they are asked for, in an `output_class`.

    The decorated `forward` takes one more keyword argument:

        output_attention_gates: whether to return the gates. Where it is not given, the configuration's says so.
    """

    def decorate(forward: Callable) -> Callable:
        own = signature(forward)
        names = list(own.parameters)

        @wraps(forward)
        def wrapper(self, *args, **kwargs):
            if "hand_on_gates" in kwargs:  # a head asks, and answers for this model
                return forward(self, *args, **kwargs)
            kwargs.update(zip(names[1:], args))
            if kwargs.get("output_attention_gates") is None:
                kwargs["output_attention_gates"] = self.config.get_text_config().output_attention_gates
            # Heads drop what they do not know of the base model's output, so the gates go around them
            gates = []
            kwargs["hand_on_gates"] = gates.append
            fields = dict(forward(self, **kwargs))
            if gates[0] is not None:
                fields["attention_gates"] = gates[0]
            return output_class(**fields)

        added = Parameter("output_attention_gates", Parameter.KEYWORD_ONLY, default=None, annotation=bool | None)
        *parameters, rest = own.parameters.values()
        wrapper.__signature__ = own.replace(parameters=[*parameters, added, rest], return_annotation=output_class)
        return can_return_tuple(wrapper)

    return decorate


def records_attention_gates(forward: Callable) -> Callable:
    """Decorate the `forward` of a base model, between `returns_attention_gates` and `capture_outputs`."""

    @wraps(forward)
    def wrapper(self, *args, hand_on_gates: Callable, **kwargs):
        outputs = forward(self, *args, **kwargs | {"return_dict": True})
        hand_on_gates(outputs.get("attention_gates"))
        return outputs

    return wrapper
