# SPDX-License-Identifier: Apache-2.0
"""LongCat-Flash with a quality gate on the input of every layer's experts.

A layer's two dense networks have none: they run one behind the other, and the experts beside both. What the experts
return joins the residual at the end of the layer, so it is scaled there and not where they are called.
"""

from gates.quality import QualityGate
from transformers.models.longcat_flash import modeling_longcat_flash as base


class QualityGateLongcatFlashConfig(base.LongcatFlashConfig):
    r"""
    quality_gate_mode (`str`, *optional*, defaults to `"observe"`):
        `"observe"` leaves the logits as the base computes them, `"scale_ffn"` multiplies the output of every layer's
        experts by its good ratio. The two dense networks of a layer are never scaled.
    """


class QualityGateLongcatFlashDecoderLayer(base.LongcatFlashDecoderLayer):
    """
    LongCat decoder layer with dual-sublayer + shortcut MoE architecture, and a gate on the input of the experts.

    Each logical layer contains:
    - 2 attention sublayers (with layer indices: layer_idx*2, layer_idx*2+1)
    - 2 MLP sublayers
    - 1 shortcut MoE connection

    A layer has one gate and one score. The gate reads the normed hidden states that the experts read, and with
    `quality_gate_mode="scale_ffn"` its good ratio multiplies what the experts add at the end of the layer, and nothing else.
    The first dense network reads the same hidden states, but what it adds goes through the second attention: it stays as
    it is, as does the second one, whose input no gate reads.
    """

    quality_gate = QualityGate(
        reads="self.mlp",
        scales="shortcut_mlp_output",
        into="residual + hidden_states + shortcut_mlp_output",
    )
