from ...utils import auto_docstring, can_return_tuple
from ...utils.deprecation import deprecate_kwarg


class ToyBlock:
    @auto_docstring
    def forward(self, x, positions=None):
        return x


class ToyModel:
    @deprecate_kwarg("past_key_values", new_name="cache", version="5.40")
    @can_return_tuple
    @auto_docstring
    def forward(self, cache=None):
        return cache

    @deprecate_kwarg("past_key_values", new_name="cache", version="5.40")
    @can_return_tuple
    @auto_docstring
    def embed(self, cache=None):
        return cache

    @deprecate_kwarg("past_key_values", new_name="cache", version="5.40")
    @auto_docstring
    def generate(self, cache=None):
        return cache


@deprecate_kwarg("past_key_values", new_name="cache", version="5.40")
@auto_docstring
class ToyHead:
    pass
