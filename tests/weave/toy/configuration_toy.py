from huggingface_hub.dataclasses import strict

from ...configuration_utils import PreTrainedConfig
from ...utils import auto_docstring


@auto_docstring(checkpoint="toys/toy")
@strict
class ToyConfig(PreTrainedConfig):
    r"""
    toy_scale (`float`, *optional*, defaults to 1.0):
        What embeddings are multiplied by.

    Example:

    ```python
    >>> config = ToyConfig()
    ```"""

    model_type = "toy"
    base_model_tp_plan = {"layers.*.mlp.up_proj": "colwise"}

    hidden_size: int = 8
    hidden_act: str = "silu"
    toy_scale: float = 1.0
    toy_bias: bool = False


__all__ = ["ToyConfig"]
