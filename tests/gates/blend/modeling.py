"""The gate, its norm and its table, and what they add to the classes of a model."""

import torch
from torch import nn

from transformers import initialization as init
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.output_capturing import OutputRecorder

from .configuration import BlendGateConfig
from .outputs import BlendGateOutput, loss_function_of_base, records_blend_gates, returns_blend_gates


class BlendNorm(nn.Module):
    """Scales every channel by a learned number."""

    def __init__(self, config: BlendGateConfig):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config.hidden_size, dtype=torch.float32))
        self.starts_at = config.norm_start

    def forward(self, output: torch.Tensor) -> torch.Tensor:
        """`[batch, tokens, width]` to the same shape."""
        return self.weight.to(output.dtype) * output


class BlendGate(nn.Module):
    """Adds a share of what a norm gives."""

    def __init__(self, config: BlendGateConfig):
        super().__init__()
        self.share = nn.Parameter(torch.empty(1, dtype=torch.float32))
        self.starts_at = config.blend_start

    def forward(self, output: torch.Tensor, normed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both `[batch, tokens, width]`, to the sum and the share of each token, `[batch, tokens, 1]`."""
        share = self.share.to(output.dtype).expand(*output.shape[:-1], 1)
        return output + share * normed, share


class BlendTable(nn.Module):
    """Rows that are kept with a model."""

    def __init__(self, config: BlendGateConfig):
        super().__init__()
        self.register_buffer("table", torch.zeros(config.blend_rows, 3, dtype=torch.long))


class BlendGatePreTrainedModel(PreTrainedModel):
    _keep_in_fp32_modules_strict = ["blend_gate", "blend_norm"]
    _can_record_outputs = {"blend_gates": OutputRecorder(BlendGate, index=1)}
    loss_function = property(loss_function_of_base, PreTrainedModel.loss_function.fset)

    def post_init(self):
        if self.base_model is self:
            self.blend = BlendTable(self.config)
        super().post_init()

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if hasattr(module, "starts_at"):
            init.constant_(next(module.parameters()), module.starts_at)


class BlendGateModel(BlendGatePreTrainedModel):
    _tp_plan = {"layers.*.blend_gate": "replicate", "layers.*.blend_norm": "replicate"}

    @returns_blend_gates(BlendGateOutput)
    @records_blend_gates
    def forward(self, *, output_blend_gates: bool | None = None, **kwargs): ...


class BlendGateForCausalLM(BlendGatePreTrainedModel):
    @returns_blend_gates(BlendGateOutput)
    def forward(self, *, output_blend_gates: bool | None = None, **kwargs):
        r"""
        Example:

        ```python
        >>> logits = model(**inputs).logits
        ```"""
