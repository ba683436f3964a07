# SPDX-License-Identifier: Apache-2.0
"""The gate, and what it adds to the classes of a model, by their roles."""

from collections.abc import Callable
from functools import wraps

import torch
from torch import nn

from transformers import initialization as init
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.generic import maybe_autocast

from .asking import QualityGateScores
from .checks import quality_gate_fields
from .configuration import QualityGateConfig, check_quality_gate_config
from .outputs import (
    QualityGateOutput,
    loss_function_of_base,
    records_quality_scores,
    returns_quality_scores,
)
from .storage import (
    explain_mixed_types,
    load_quality_gates,
    quality_layers,
    save_quality_gates,
    shard_gates_apart,
    state_without_hooks,
)


class QualityGate(nn.Module):
    """Scores how good the text up to each token is, by one linear map of the feed-forward network's normed input.

    Source: the Quality-Gate project, where it only observes; its sigmoid scales the experts in Select-MoE.
    """

    def __init__(self, config: QualityGateConfig):
        super().__init__()
        self.gate = nn.Linear(config.hidden_size, 1, bias=False, dtype=torch.float32)
        self.gate.scores_quality = True  # tells `_init_weights`, which for custom code sees no module without weights

    def forward(
        self, hidden_states: torch.Tensor, output_quality_logits: QualityGateScores | bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`[batch, tokens, hidden_size]` to the score and its sigmoid, both `[batch, tokens, 1]` in float32.

        The score is added to those that `output_quality_logits` collects.
        """
        with maybe_autocast(hidden_states.device.type, enabled=False):
            quality_score = self.gate(hidden_states.to(self.gate.weight.dtype)).float()
            good_ratio = quality_score.sigmoid()
        if isinstance(output_quality_logits, QualityGateScores):
            output_quality_logits.logits.append(quality_score)
        return quality_score, good_ratio


def balances_whole_sequences(forward: Callable) -> Callable:
    """Decorate the `forward` of a language model: no load balancing loss where the mask is not the tokens' own.

    With a cache the mask is longer than the routers' logits or prepared for attention, and the loss fails on it.
    """

    @wraps(forward)
    def wrapper(self, input_ids=None, attention_mask=None, inputs_embeds=None, **kwargs):
        tokens = input_ids if input_ids is not None else inputs_embeds
        if attention_mask is not None and tokens is not None:
            if not isinstance(attention_mask, torch.Tensor) or attention_mask.shape != tokens.shape[:2]:
                kwargs["output_router_logits"] = False
        return forward(self, input_ids=input_ids, attention_mask=attention_mask, inputs_embeds=inputs_embeds, **kwargs)

    return wrapper


class QualityGatePreTrainedModel(PreTrainedModel):
    _keep_in_fp32_modules = ["quality_gate.gate"]  # quantizers skip what is called so
    _keep_in_fp32_modules_strict = ["quality_gate"]  # small updates of bfloat16 weights would round to nothing
    quality_layers = quality_layers
    save_quality_gates = save_quality_gates
    load_quality_gates = load_quality_gates
    __getstate__ = state_without_hooks
    loss_function = property(loss_function_of_base, PreTrainedModel.loss_function.fset)

    def __init__(self, config: QualityGateConfig, *inputs, **kwargs):
        check_quality_gate_config(config)
        self.quality_gate_fields = quality_gate_fields(config)  # that its layers are built from
        super().__init__(config, *inputs, **kwargs)

    def post_init(self):
        super().post_init()
        shard_gates_apart(self)

    def __call__(self, *args, **kwargs):
        try:
            return super().__call__(*args, **kwargs)
        except AssertionError as problem:  # before any forward of ours
            explain_mixed_types(problem)
            raise

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if getattr(module, "scores_quality", False):
            mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
            init.normal_(module.weight, mean=mean, std=std)


class QualityGateModel(QualityGatePreTrainedModel):
    _tp_plan = {"layers.*.quality_gate.gate": "replicate"}

    @returns_quality_scores(QualityGateOutput)
    @records_quality_scores
    def forward(
        self, *, quality_targets: torch.Tensor | None = None, output_router_logits: bool | None = None, **kwargs
    ): ...


class QualityGateForCausalLM(QualityGatePreTrainedModel):
    @returns_quality_scores(QualityGateOutput)
    def forward(
        self, *, quality_targets: torch.Tensor | None = None, output_router_logits: bool | None = None, **kwargs
    ):
        r"""
        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
