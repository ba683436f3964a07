from ...modeling_utils import PreTrainedModel


class ToyMLP(PreTrainedModel):
    def __init__(self, config):
        self.size = 1
        super().__init__(config)


class ToyModel(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.size = 1
