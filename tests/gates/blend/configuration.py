"""What a gated configuration has besides its base, and one field that bases have, which is documented anew."""

from transformers.configuration_utils import PreTrainedConfig


class BlendGateConfig(PreTrainedConfig):
    r"""
    blend_start (`float`, *optional*, defaults to 0.5):
        What the shares start at; with 0 the model computes what its base does.
    norm_start (`float`, *optional*, defaults to 2.0):
        What the weights of norms start at.
    blend_rows (`int`, *optional*, defaults to 100000):
        How many rows the table has.
    hidden_act (`str`, *optional*, defaults to `"silu"`):
        The activation, which these gates are the same for.
    output_blend_gates (`bool`, *optional*, defaults to `False`):
        Whether shares are returned.
    """

    blend_start: float | int = 0.5
    norm_start: float | int = 2.0
    blend_rows: int = 100000
    hidden_act: str = "silu"
    output_blend_gates: bool = False
