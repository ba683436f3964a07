from .configuration_toy import ToyConfig


class ToyModel:
    config: ToyConfig


class ToyHead:
    model: ToyModel
