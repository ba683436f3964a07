from ...activations import ACT2FN
from .configuration_toy import ToyConfig
from .helpers_toy import toy_mask


TOY_SIZE = 1


class ToyMLP:
    size = TOY_SIZE


class ToyNorm:
    pass


class ToyModel:
    config: ToyConfig
    base_model_prefix = "toy"
    parts = [ToyNorm, ToyMLP, toy_mask, ACT2FN]
