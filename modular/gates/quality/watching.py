# SPDX-License-Identifier: Apache-2.0
"""What becomes of a quality loss, and of gates that had no part in a step."""

from typing import Any

import torch

from transformers.modeling_utils import PreTrainedModel
from transformers.utils import logging


logger = logging.get_logger(__name__)


class QualityGateIdle(torch.autograd.Function):
    """Hands hidden states on, and gradients of zero back to gates that had no part in them.

    DistributedDataParallel waits for a gradient of every weight, and a distributed checkpoint of an optimizer wants
    the state that a weight has only once it got one.
    """

    @staticmethod
    def forward(ctx, hidden_states: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(*weights)
        return hidden_states.view_as(hidden_states)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return gradient, *map(torch.zeros_like, ctx.saved_tensors)


def watch_quality_loss(model: PreTrainedModel, fields: dict[str, Any]) -> None:
    """Warn once if a training step leaves out the quality loss, which a caller with a loss of its own has to add.

    Callers that compute their loss from the logits, or that put a head of their own on the base model, get no loss from
    it: their gates would learn nothing, silently, and DistributedDataParallel would wait for their gradients.
    """
    loss, name = fields.get("quality_loss"), next(iter(fields), None)
    if not model.training or loss is None or not loss.requires_grad or fields.get("loss") is not None:
        return
    gates = [weight for name, weight in model.named_parameters() if ".quality_gate." in name]
    gates = [weight for weight in gates if weight.requires_grad and weight.numel()]  # an empty one is elsewhere
    output = fields[name]
    if not gates or torch.compiler.is_compiling() or not getattr(output, "requires_grad", False):
        return
    used: list[bool] = []

    def tell(gradient: torch.Tensor) -> None:
        if not used:  # what was computed last gets its gradient first
            logger.warning_once(
                f"A training step uses what {type(model).__name__} returns without its quality loss, so that its gates "
                "do not learn. Make the trainer's class with `trains_gates` of `generated.training`, or add "
                "`model.config.quality_loss_weight * outputs.quality_loss` to the loss; freeze the gates, or pass "
                "`output_router_logits=False`, where they are not to learn."
            )

    loss.register_hook(lambda gradient: used.append(True))
    output.register_hook(tell)
    fields[name] = QualityGateIdle.apply(output, *gates)
