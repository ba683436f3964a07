from ...utils.deprecation import deprecate_kwarg
from ..toy.modeling_toy import ToyForCausalLM, ToyModel


class CaseModel(ToyModel):
    @deprecate_kwarg("past_key_values", new_name="cache", version="5.40")
    def forward(self, cache=None):
        return cache + 1

    @deprecate_kwarg("size", version="5.40")
    @deprecate_kwarg("case_size", version="5.40")
    def generate(hidden_size=2):
        return hidden_size


class CaseForCausalLM(ToyForCausalLM):
    @deprecate_kwarg("past_key_values", new_name="cache", version="5.40")
    def forward(self, cache=None):
        return super().forward(cache)


__all__ = ["CaseModel", "CaseForCausalLM"]
