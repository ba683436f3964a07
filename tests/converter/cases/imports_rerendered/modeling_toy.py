from ...activations import (
    ACT2FN,
    silu,  # trailing comma and comment go
)
from ...masking_utils import unused
from ...modeling_utils import (
    PreTrainedModel,
)


class ToyModel(PreTrainedModel):
    act = ACT2FN["silu"] or silu
