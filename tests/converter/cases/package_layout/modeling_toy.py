from ...activations import ACT2FN
from ...modeling_utils import PreTrainedModel
from .configuration_toy import ToyConfig


class ToyModel(PreTrainedModel):
    config: ToyConfig

    def act(self):
        return ACT2FN["silu"]
