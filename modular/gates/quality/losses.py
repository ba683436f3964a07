# SPDX-License-Identifier: Apache-2.0
"""The quality loss of gate scores."""

import warnings

import torch
from torch import nn

from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_utils import PreTrainedModel
from transformers.utils import logging

from .configuration import QUALITY_GATE_CHOICES, QUALITY_LOSSES_OF_TOKENS


logger = logging.get_logger(__name__)


def quality_classification_loss(
    router_logits: tuple[torch.Tensor, ...] | None,
    config: PreTrainedConfig,
    attention_mask: torch.Tensor | None = None,
    debug: bool = False,
    quality_targets: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    quality_labels: torch.Tensor | None = None,
    labeled: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    The quality loss of gate scores, mean over layers.

    Source: the Quality-Gate project (linear loss, labels and their balance) and Select-MoE, which it follows (the
    other losses); moments are taken of each layer, and keep the gradients that they lost there.

    Args:
        router_logits: one tensor `[batch, tokens, 1]` for every layer, before the sigmoid.
        config: the configuration of the gated text model: `quality_loss_type` and the fields that go with it.
        attention_mask: `[batch, tokens]`, nonzero where a token counts; it may be longer by the tokens of a cache.
            Masks of another rank are for attention alone: every token counts.
        debug: whether to print scores and loss of every fifth layer.
        quality_targets: `[batch]`, 1 for a sample of the quality to train for, 0 for any other, negative for unknown;
            or `[batch, tokens]`, where rows hold several samples. Averages over tokens and moments of a batch know no
            samples and ignore them.
        position_ids: `[batch, tokens]`; where the positions of a row start over, another sample begins.
        quality_labels: the old name of `quality_targets`.
        labeled: `[batch, tokens]`, nonzero where a token has a label. Where it is given, samples weigh by how many
            labels they have, so that parts of a batch add up to the batch; moments do not.

    Returns:
        A scalar in float32: 0 where there are no scores or no token counts.

    Raises:
        ValueError: an unknown loss type, or a shape that does not fit the scores.
    """
    if quality_labels is not None:
        quality_targets = targets_by_their_old_name(quality_labels, quality_targets)
    if not router_logits:
        return torch.zeros(())
    device = router_logits[0].device
    scores = torch.cat([each.to(device) for each in router_logits], -1).float().movedim(-1, 0)
    valid = valid_tokens(attention_mask, scores)
    good_ratios = scores.masked_fill(valid == 0, 0).sigmoid()  # whatever padding holds, NaN included, stays out
    is_of_tokens = config.quality_loss_type in QUALITY_LOSSES_OF_TOKENS
    if quality_targets is not None and not (is_of_tokens and config.sample_wise_averaging):
        if not torch.compiler.is_compiling():
            logger.warning_once("`quality_targets` are ignored: averages over tokens and moments know no samples.")
    if is_of_tokens:
        losses = weighted_losses(good_ratios, valid, config, quality_targets, position_ids, labeled)
    elif config.quality_loss_type in QUALITY_GATE_CHOICES["quality_loss_type"]:
        losses = moment_losses(good_ratios, valid, config)
    else:
        choices = ", ".join(QUALITY_GATE_CHOICES["quality_loss_type"])
        raise ValueError(f"`quality_loss_type` is {config.quality_loss_type!r}, but must be one of {choices}.")
    if debug and not torch.compiler.is_compiling():
        print_quality_scores(router_logits, losses)
    return losses.mean()


def targets_by_their_old_name(
    quality_labels: torch.Tensor, quality_targets: torch.Tensor | None = None, stacklevel: int = 3
) -> torch.Tensor:
    """The targets of a call that still names them `quality_labels`, which other tools take for a task's labels.

    Raises:
        TypeError: both names are given.
    """
    if quality_targets is not None:
        raise TypeError("`quality_labels` is the old name of `quality_targets`: give one of them.")
    if not torch.compiler.is_compiling():
        message = "`quality_labels` is deprecated: name it `quality_targets`, also as a column of data."
        warnings.warn(message, FutureWarning, stacklevel=stacklevel)
    return quality_labels


def valid_tokens(attention_mask: torch.Tensor | None, scores: torch.Tensor) -> torch.Tensor:
    """1.0 where a token counts, else 0.0: `[batch, tokens]` for scores `[layers, batch, tokens]`."""
    _, batch_size, length = scores.shape
    if not isinstance(attention_mask, torch.Tensor) or attention_mask.ndim != 2:
        return torch.ones_like(scores[0])
    if attention_mask.shape[0] != batch_size or attention_mask.shape[1] < length:
        raise ValueError(
            f"`attention_mask` has the shape {tuple(attention_mask.shape)}, but must cover the scores: "
            f"({batch_size}, {length} or more)."
        )
    return attention_mask[:, -length:].to(scores.device).ne(0).to(scores.dtype)


def weighted_losses(
    good_ratios: torch.Tensor,
    valid: torch.Tensor,
    config: PreTrainedConfig,
    quality_targets: torch.Tensor | None,
    position_ids: torch.Tensor | None,
    labeled: torch.Tensor | None = None,
) -> torch.Tensor:
    """Each layer's mean cost of open gates, and of closed ones where a label wants them open: `[layers]`."""
    cost = torch.square if config.quality_loss_type == "mse" else torch.positive
    costs = cost(good_ratios)
    if not config.sample_wise_averaging and labeled is None:
        return (costs * valid).sum((1, 2)) / valid.sum().clamp(min=1)
    if quality_targets is not None and config.sample_wise_averaging:
        labels = quality_targets.to(good_ratios)
        labels = labels.unsqueeze(-1) if labels.ndim == 1 else labels
        known = labels >= 0
        labels = torch.where(known, labels, 0)
        guided = (1 - labels) * config.quality_loss_balance * costs
        guided = guided + labels * (2 - config.quality_loss_balance) * cost(1 - good_ratios)
        costs = torch.where(known, guided, costs)
    return (costs * sample_weights(valid, position_ids, labeled)).sum((1, 2))


def sample_weights(
    valid: torch.Tensor, position_ids: torch.Tensor | None, labeled: torch.Tensor | None = None
) -> torch.Tensor:
    """Weights `[batch, tokens]` that average over the tokens of every sample, then over samples with a valid token.

    Over samples by the number of their labels, where it is told which tokens have one.
    """
    if labeled is not None:
        labeled = labeled.to(valid) / labeled.sum().clamp(min=1).to(valid)
    if position_ids is None or position_ids.ndim != 2:
        tokens = valid.sum(-1, keepdim=True)
        if labeled is not None:
            return valid / tokens.clamp(min=1) * labeled.sum(-1, keepdim=True)
        return valid / tokens.clamp(min=1) / tokens.gt(0).sum().clamp(min=1)
    starts = position_ids[:, 1:] <= position_ids[:, :-1]
    sample = nn.functional.pad(starts.cumsum(-1), (1, 0)).to(valid.device).expand(valid.shape)  # number in its row
    tokens = torch.zeros_like(valid).scatter_add(-1, sample, valid)
    if labeled is not None:
        labels = torch.zeros_like(valid).scatter_add(-1, sample, labeled)
        return valid / tokens.gather(-1, sample).clamp(min=1) * labels.gather(-1, sample)
    return valid / tokens.gather(-1, sample).clamp(min=1) / tokens.gt(0).sum().clamp(min=1)


def labeled_tokens(
    model: PreTrainedModel, labels: torch.Tensor | None, shift_labels: torch.Tensor | None = None
) -> torch.Tensor | None:
    """Where there is a label that the loss counts, and `Trainer` in `num_items_in_batch`: of the shape of the labels."""
    if shift_labels is not None:
        return shift_labels.ne(-100)
    if labels is None:
        return None
    labeled = labels.ne(-100)
    if labels.ndim == 1 or getattr(model, "loss_type", None) == "ForTokenClassification":
        return labeled
    return nn.functional.pad(labeled[..., 1:], (0, 1))  # a token is labeled with the next


def labeled_samples(labeled: torch.Tensor | None, scores: torch.Tensor) -> torch.Tensor | None:
    """The same `[batch, tokens]` as scores are; none where the labels are of something else."""
    batch_size, length = scores.shape[:2]
    if labeled is not None and labeled.shape == (batch_size,):
        return nn.functional.pad(labeled.unsqueeze(-1), (0, length - 1)).to(scores.device)
    return labeled.to(scores.device) if labeled is not None and labeled.shape == (batch_size, length) else None


def batch_share(
    labeled: torch.Tensor | None, num_items_in_batch: torch.Tensor | int | None, device: torch.device
) -> torch.Tensor | float:
    """The share of a whole batch's labels that this call sees, so that accumulated losses add up to the batch's."""
    if labeled is None or num_items_in_batch is None:
        return 1.0
    return labeled.sum().to(device) / torch.as_tensor(num_items_in_batch, device=device)


def moment_losses(good_ratios: torch.Tensor, valid: torch.Tensor, config: PreTrainedConfig) -> torch.Tensor:
    """Each layer's cost of the mean and the unbiased variance of its ratios over all valid tokens: `[layers]`."""
    tokens = valid.sum()
    means = (good_ratios * valid).sum((1, 2)) / tokens.clamp(min=1)
    deviations = (good_ratios - means[:, None, None]) * valid
    variances = deviations.square().sum((1, 2)) / (tokens - 1).clamp(min=1)
    if config.quality_loss_type == "mean_variance_regularization":
        losses = (means - 0.5).square() - config.lambda_var * variances
    else:
        losses = config.w_mean * (means - config.beta_target_mean).square()
        losses = losses + config.w_var * (variances - config.beta_target_var).square()
    return losses * tokens.gt(0)


def print_quality_scores(router_logits: tuple[torch.Tensor, ...], losses: torch.Tensor) -> None:
    """Print shape, range and mean of the scores and the quality loss of every fifth layer."""
    print(f"quality loss of {len(router_logits)} layers: {losses.mean().item():.6f}")
    for layer in range(0, len(router_logits), 5):
        scores = router_logits[layer].detach().float()
        print(
            f"  layer {layer}: shape {tuple(scores.shape)}, min {scores.min().item():.4f}, "
            f"max {scores.max().item():.4f}, mean {scores.mean().item():.4f}, loss {losses[layer].item():.6f}"
        )
