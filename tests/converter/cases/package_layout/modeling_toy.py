from ...activations import ACT2FN
from ...modeling_utils import PreTrainedModel
from .configuration_toy import ToyConfig


class ToyModel(PreTrainedModel):
    config: ToyConfig

    def act(self):
        return ACT2FN["silu"]

    def kernel(self):
        from ...integrations.hub_kernels import (
            get_kernel,  # only where it is asked for
        )
        from .. import auto
        from .configuration_toy import ToyConfig

        return get_kernel(auto, ToyConfig)
