# SPDX-License-Identifier: Apache-2.0
"""What scores add to an output: themselves, their loss, and their share of the whole loss."""

from typing import Any

import torch
from torch import nn

from transformers.cache_utils import Cache
from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_utils import PreTrainedModel
from transformers.utils import ModelOutput, logging

from .configuration import QUALITY_LOSSES_OF_TOKENS
from .losses import batch_share, labeled_samples, labeled_tokens, quality_classification_loss


logger = logging.get_logger(__name__)


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
