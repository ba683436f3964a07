import torch

from ...processing_utils import Unpack
from ...utils import auto_docstring, can_return_tuple
from ...utils.deprecation import deprecate_kwarg


class ToyModel:
    @deprecate_kwarg("past_key_values", new_name="cache", version="5.40")
    @can_return_tuple
    @auto_docstring
    def forward(self, cache=None):
        return cache

    @staticmethod
    @deprecate_kwarg("toy_size", version="5.40")
    @deprecate_kwarg("size", version="5.40")
    @torch.no_grad()
    def generate(
        hidden_size=1,
    ):
        return hidden_size


class ToyForCausalLM:
    @can_return_tuple
    # Kept with what it stands above.
    @auto_docstring
    @deprecate_kwarg(
        "past_key_values",
        new_name="cache",
        version="5.40",
    )
    def forward(self, cache=None, **kwargs: Unpack):
        return cache
