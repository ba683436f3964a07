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

    hidden_size: int = 8
    toy_scale: float = 1.0


__all__ = ["ToyConfig"]
