# SPDX-License-Identifier: Apache-2.0
"""The quality loss of good ratios: what it costs to let experts through."""

from collections.abc import Callable

import torch

from transformers.configuration_utils import PreTrainedConfig


def good_ratios_of(scores: torch.Tensor, opens: bool) -> torch.Tensor:
    """Scores to good ratios: their sigmoid; of gates that start open twice the sigmoid, up to 1.

    There the gradient is that of the doubled sigmoid, so that a gate that is wholly open can still close.
    """
    ratios = scores.sigmoid()
    if opens:
        ratios = 2 * ratios
        ratios = ratios - (ratios - 1).clamp(min=0).detach()
    return ratios


def select_quality_loss(
    quality_logits: tuple[torch.Tensor, ...] | None,
    config: PreTrainedConfig,
    attention_mask: torch.Tensor | None = None,
    loss_function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """
    The quality loss of gate scores, mean over layers.

    Source: Select-MoE; moments are taken of each layer, and keep the gradients that they lost there.

    Args:
        quality_logits: one tensor `[batch, tokens, 1]` for every layer with a gate, before the sigmoid.
        config: the configuration of the gated text model: `quality_loss_type` and the fields that go with it.
        attention_mask: `[batch, tokens]`, nonzero where a token counts; it may be longer by the tokens of a cache.
            Masks of another rank are for attention alone: every token counts.
        loss_function: for the type `"custom"`, from good ratios and mask, both `[batch, tokens]`, to what each token
            costs, `[batch, tokens]`.

    Returns:
        A scalar in float32: 0 where there are no scores or no token counts.

    Raises:
        ValueError: an unknown loss type, a custom one without a function, or a mask that does not fit the scores.
    """
    if not quality_logits:
        return torch.zeros(())
    device = quality_logits[0].device
    scores = torch.cat([each.to(device) for each in quality_logits], -1).float().movedim(-1, 0)
    valid = counted_tokens(attention_mask, scores)
    scores = scores.masked_fill(valid == 0, 0)  # whatever padding holds, NaN included, stays out
    ratios = good_ratios_of(scores, config.select_gate_init == "open")
    if config.quality_loss_type in ("beta_moment_matching", "mean_variance_regularization"):
        losses = losses_of_moments(ratios, valid, config)
    else:
        losses = averaged_costs(costs_of_tokens(ratios, valid, config, loss_function), valid, config)
    if config.quality_loss_debug and not torch.compiler.is_compiling():
        print_select_scores(scores, losses)
    return losses.mean()


def counted_tokens(attention_mask: torch.Tensor | None, scores: torch.Tensor) -> torch.Tensor:
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


def costs_of_tokens(
    ratios: torch.Tensor, valid: torch.Tensor, config: PreTrainedConfig, loss_function: Callable | None
) -> torch.Tensor:
    """What the good ratio of each token costs: `[layers, batch, tokens]`."""
    if config.quality_loss_type in ("sigmoid", "linear"):
        return ratios
    if config.quality_loss_type == "mse":
        return ratios.square()
    if config.quality_loss_type == "custom" and loss_function is not None:
        return torch.stack([loss_function(each, valid) for each in ratios])
    wanted = "a model class with a `quality_loss_function`, which this has not"
    if config.quality_loss_type != "custom":
        wanted = "one of sigmoid, linear, mse, beta_moment_matching, mean_variance_regularization, custom"
    raise ValueError(f"`quality_loss_type` is {config.quality_loss_type!r}, but must be {wanted}.")


def averaged_costs(costs: torch.Tensor, valid: torch.Tensor, config: PreTrainedConfig) -> torch.Tensor:
    """Each layer's mean over all tokens that count, or over samples with one, of which each is a mean: `[layers]`."""
    if not config.sample_wise_averaging:
        return (costs * valid).sum((1, 2)) / valid.sum().clamp(min=1)
    tokens = valid.sum(-1)
    samples = (costs * valid).sum(-1) / tokens.clamp(min=1)
    return samples.sum(-1) / tokens.gt(0).sum().clamp(min=1)


def losses_of_moments(ratios: torch.Tensor, valid: torch.Tensor, config: PreTrainedConfig) -> torch.Tensor:
    """Each layer's cost of the mean and the unbiased variance of its ratios over all valid tokens: `[layers]`."""
    tokens = valid.sum()
    means = (ratios * valid).sum((1, 2)) / tokens.clamp(min=1)
    deviations = (ratios - means[:, None, None]) * valid
    variances = deviations.square().sum((1, 2)) / (tokens - 1).clamp(min=1)  # 0 for one token, which has none
    if config.quality_loss_type == "mean_variance_regularization":
        losses = (means - 0.5).square() - config.lambda_var * variances
    else:
        losses = config.w_mean * (means - config.beta_target_mean).square()
        losses = losses + config.w_var * (variances - config.beta_target_var).square()
    return losses * tokens.gt(0)


def balancing_loss(
    moe_logits: tuple[torch.Tensor, ...], chosen: int, attention_mask: torch.Tensor | None = None
) -> torch.Tensor:
    """The load balancing loss of routers: experts times the sum, over experts, of the share of choices and of probability.

    Source: Switch Transformers (arXiv 2101.03961), equations 4 to 6, over all layers and the `chosen` experts of a token, as
    transformers computes it. `moe_logits` are `[batch * tokens, experts]`, the mask `[batch, tokens]`.
    """
    device = moe_logits[0].device
    logits = torch.cat([each.to(device).flatten(0, -2) for each in moe_logits]).float()
    counted = torch.ones_like(logits[:, :1])
    if attention_mask is not None:
        counted = attention_mask.to(device).ne(0).flatten().repeat(len(moe_logits))[:, None].to(logits.dtype)
    probabilities = logits.softmax(-1)
    choices = torch.zeros_like(logits).scatter(-1, logits.topk(chosen, -1).indices, 1.0)
    tokens = counted.sum().clamp(min=1)
    shares = (choices * counted).sum(0) / tokens * ((probabilities * counted).sum(0) / tokens)
    return logits.shape[-1] * shares.sum()


def print_select_scores(scores: torch.Tensor, losses: torch.Tensor) -> None:
    """Print range and mean of the scores and the quality loss of every fifth layer."""
    print(f"quality loss of {len(scores)} layers: {losses.mean().item():.6f}")
    for layer, own in list(enumerate(scores.detach()))[::5]:
        told = f"min {own.min().item():.4f}, max {own.max().item():.4f}, mean {own.mean().item():.4f}"
        print(f"  layer {layer}: shape {tuple(own.shape)}, {told}, loss {losses[layer].item():.6f}")
