from ..toy.configuration_toy import ToyConfig


class CaseConfig(ToyConfig):
    depth: int = 4
    hidden_size = AttributeError()
    extra = None
    act = "gelu"


__all__ = ["CaseConfig"]
