from ...modeling_layers import GradientCheckpointingLayer
from ..toy.modeling_toy import ToyLayer


class CaseLayer(ToyLayer, GradientCheckpointingLayer):
    pass


__all__ = ["CaseLayer"]
