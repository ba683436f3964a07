from ...modeling_layers import GradientCheckpointingLayer
from ...modeling_utils import PreTrainedModel


class ToyPreTrainedModel(PreTrainedModel):
    pass


class ToyLayer(GradientCheckpointingLayer):
    def __init__(self):
        super().__init__()


class ToyModel(ToyPreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.layer = ToyLayer()
