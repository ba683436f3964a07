from ...utils import auto_docstring, can_return_tuple
from ...utils.deprecation import deprecate_kwarg
from ..toy.modeling_toy import ToyBlock, ToyHead, ToyModel


class CaseBlock(ToyBlock):
    @deprecate_kwarg("rotary", version="5.40")  # which the parent does not have
    def forward(self, x, positions=None):
        return x + 1


class CaseModel(ToyModel):
    @can_return_tuple
    @auto_docstring
    def forward(self, cache=None):
        return cache + 1

    @deprecate_kwarg("past_key_values", new_name="cache", version="5.40")
    @auto_docstring
    def embed(self, cache=None):
        return cache + 1

    @deprecate_kwarg("past_key_values", new_name="cache", version="6.0")
    def generate(self, cache=None):
        return cache + 1


@deprecate_kwarg("past_key_values", new_name="cache", version="5.40")
class CaseHead(ToyHead):
    pass


__all__ = ["CaseModel"]
