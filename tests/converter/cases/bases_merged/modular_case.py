from ...generation import GenerationMixin
from ...modeling_layers import Gated
from ..toy.modeling_toy import ToyLayer, ToyModel, ToyPreTrainedModel


class CaseTextPreTrainedModel(ToyPreTrainedModel):
    pass


class CaseTextModel(CaseTextPreTrainedModel, ToyModel):  # replaces the base that has the same role
    pass


class CaseTextLayer(Gated, ToyLayer, GenerationMixin):  # new ones go behind the parent's
    pass


__all__ = ["CaseTextModel"]
