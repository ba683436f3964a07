from .configuration_toy import ToyConfig, ToyTextConfig


class ToyModel:
    config: ToyConfig
    text_config: ToyTextConfig
