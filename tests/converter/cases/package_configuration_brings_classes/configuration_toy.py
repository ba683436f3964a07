from ...configuration_utils import PreTrainedConfig


class ToyConfig(PreTrainedConfig):
    size: int = 1
