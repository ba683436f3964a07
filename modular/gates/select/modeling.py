# SPDX-License-Identifier: Apache-2.0
"""The gate, and what it adds to the classes of a model, by their roles."""

import torch
from torch import nn

from transformers import initialization as init
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.generic import maybe_autocast
from transformers.utils.output_capturing import OutputRecorder

from .configuration import SelectGateConfig, check_select_gate_config
from .losses import good_ratios_of
from .outputs import (
    SelectGateOutput,
    check_load_balancing,
    loss_function_of_base,
    records_select_scores,
    returns_select_scores,
    set_trash_experts,
)
from .storage import rename_select_moe


class SelectGate(nn.Module):
    """Scores how good each token is, by one linear map of the mixture's normed input, and mixes by it.

    Source: Select-MoE; its output is `good_ratio * experts + (1 - good_ratio) * trash`.
    """

    def __init__(self, config: SelectGateConfig):
        super().__init__()
        self.gate = nn.Linear(config.hidden_size, 1, bias=False, dtype=torch.float32)
        self.gate.selects_experts = True  # tells `_init_weights`, which for custom code sees no module without weights
        self.opens = config.select_gate_init == "open"
        self.mode = config.trash_expert_mode
        self.trash = None  # in the mode "custom" the module that the model's class makes

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """`[batch, tokens, hidden_size]` to score and good ratio, `[batch, tokens, 1]` in float32, and the trash.

        The trash has the shape of the input; it is None where it is zero.
        """
        with maybe_autocast(hidden_states.device.type, enabled=False):
            quality_score = self.gate(hidden_states.to(self.gate.weight.dtype)).float()
            good_ratio = good_ratios_of(quality_score, self.opens)
        return quality_score, good_ratio, self.trash_of(hidden_states)

    def trash_of(self, hidden_states: torch.Tensor) -> torch.Tensor | None:
        """What tokens get as far as they are not good. Raises NotImplementedError in the mode "custom" without a module."""
        if self.mode == "zero":
            return None
        if self.mode == "noise":
            return noise_like(hidden_states)
        if self.trash is None:
            raise NotImplementedError(
                '`trash_expert_mode` is "custom", but nothing says which module that is: assign a class or function that '
                "makes it from a config to `trash_expert` of the model's class, before the model is built."
            )
        return self.trash(hidden_states)

    @staticmethod
    def mix(output: torch.Tensor, good_ratio: torch.Tensor, trash: torch.Tensor | None) -> torch.Tensor:
        """The experts' output as far as a token is good, and the trash for the rest."""
        mixed = good_ratio.to(output.dtype) * output
        if trash is None:
            return mixed
        return mixed + (1 - good_ratio).to(output.dtype) * trash


@torch.no_grad()
def noise_like(hidden_states: torch.Tensor) -> torch.Tensor:
    """Normal noise with each token's own mean and standard deviation over its channels; it carries no gradient."""
    wide = hidden_states.float()
    std, mean = torch.std_mean(wide, dim=-1, keepdim=True)
    return (mean + (std + 1e-8) * torch.randn_like(wide)).to(hidden_states.dtype)


class SelectGatePreTrainedModel(PreTrainedModel):
    _keep_in_fp32_modules_strict = ["select_gate.gate"]  # small updates of bfloat16 weights would round to nothing
    _can_record_outputs = {"quality_logits": OutputRecorder(SelectGate, index=0)}
    rename_select_moe = staticmethod(rename_select_moe)
    loss_function = property(loss_function_of_base, PreTrainedModel.loss_function.fset)
    trash_expert = None  # makes the module of the mode "custom": a class or function of the configuration
    quality_loss_function = None  # the loss of the type "custom", from good ratios and mask to what each token costs

    def __init__(self, config: SelectGateConfig, *inputs, **kwargs):
        check_select_gate_config(config)
        check_load_balancing(self, config)
        super().__init__(config, *inputs, **kwargs)

    def post_init(self):
        set_trash_experts(self)
        super().post_init()

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if getattr(module, "selects_experts", False):
            if self.config.select_gate_init == "open":
                init.zeros_(module.weight)
            else:
                mean, std = self.config.quality_gate_init_mean, self.config.quality_gate_init_std
                init.normal_(module.weight, mean=mean, std=std)


class SelectGateModel(SelectGatePreTrainedModel):
    _tp_plan = {"layers.*.select_gate.gate": "replicate"}

    @returns_select_scores(SelectGateOutput)
    @records_select_scores
    def forward(
        self, *, output_router_logits: bool | None = None, output_quality_logits: bool | None = None, **kwargs
    ): ...


class SelectGateForCausalLM(SelectGatePreTrainedModel):
    @returns_select_scores(SelectGateOutput)
    def forward(self, *, output_router_logits: bool | None = None, **kwargs):
        r"""
        Example:

        ```python
        >>> outputs = model(**inputs, output_router_logits=True)
        >>> scores = torch.stack(outputs.quality_logits).sigmoid()  # [layers, batch, tokens, 1]
        ```"""
