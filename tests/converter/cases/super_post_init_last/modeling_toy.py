from ...modeling_utils import PreTrainedModel


class ToyModel(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.body = 1
        # Initialize weights
        self.post_init()
