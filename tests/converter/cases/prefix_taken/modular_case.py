from ..toy.modeling_toy import ToyVisionLayer


class CaseTextVisionLayer(ToyVisionLayer):
    pass


__all__ = ["CaseTextVisionLayer"]
