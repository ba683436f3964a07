from ..toy.modeling_toy import ToyAttention


class CaseTextAttention(ToyAttention):
    pass


class CaseVisionAttention(ToyAttention):
    pass


__all__ = ["CaseTextAttention", "CaseVisionAttention"]
