# SPDX-License-Identifier: Apache-2.0
"""Toy with a quality gate, and with much of its own."""

from torch import nn

from gates.quality import QualityGate
from gates.quality.configuration import check_quality_gate_config
from transformers.models.toy import modeling_toy as base
from transformers.utils import auto_docstring


# As many as the paper has
SIZE: int = 3


def widened(x):
    return x * SIZE


class Wide(nn.Module):
    def forward(self, x):
        return widened(x)


def rotate_half(x):
    return 2 * x


@auto_docstring(checkpoint="mine/toy")
class QualityGateToyConfig(base.ToyConfig):
    r"""
    toy_scale (`float`, *optional*, defaults to 2.0):
        What embeddings are multiplied by, and more than in the base.
    depth (`int`, *optional*, defaults to 2):
        How deep.
    """

    toy_scale: float = 2.0
    quality_loss_weight: float | int = 0.25
    depth: int = 2

    def check(self):
        check_quality_gate_config(self)


class QualityGateToyMLP(base.ToyMLP):
    def forward(self, x):
        return Wide()(self.up_proj(x))


class QualityGateToyDecoderLayer(base.ToyDecoderLayer):
    """A layer that says what it does."""

    quality_gate = QualityGate(reads="self.mlp", scales="self.mlp")

    def __init__(self, config, layer_idx):
        super().__init__(config, layer_idx)
        self.mine = config.depth

    def extra_repr(self):
        return f"mine={self.mine}"


__all__ = [
    "QualityGateToyConfig",
    "QualityGateToyPreTrainedModel",
    "QualityGateToyModel",
    "QualityGateToyForCausalLM",
    "QualityGateToyMLP",
]
