from ..toy.modeling_toy import ToyAttention, ToyModel
from ..yet.modeling_yet import YetAttention, YetModel


class CaseVisionAttention(ToyAttention):
    pass


class CaseModel(ToyModel):  # a tie with CaseVision: the model's own name
    pass


class CaseTextAttention(YetAttention):
    pass


class CaseAudioModel(YetModel):  # a tie without the model's own name: the last
    pass


__all__ = ["CaseModel", "CaseAudioModel"]
