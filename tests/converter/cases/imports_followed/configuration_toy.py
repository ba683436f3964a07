from ...configuration_utils import PreTrainedConfig


class ToyConfig(PreTrainedConfig):
    model_type = "toy"
