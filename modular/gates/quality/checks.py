# SPDX-License-Identifier: Apache-2.0
"""What a forward checks: that the configuration still says what it said, and that targets and masks fit the tokens."""

import math
from typing import Any

import torch

from transformers.cache_utils import Cache
from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_utils import PreTrainedModel

from .configuration import QUALITY_GATE_CHOICES, QUALITY_GATE_RANGES, check_quality_gate_config


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
