from ...modeling_utils import PreTrainedModel


class ToyModel(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        # what it is
        self.toy = config  # of a Toy

    def forward(self, x):
        """From the parent."""
        return self.toy(x)

    def other(self, x) -> None:
        """From the parent, too."""
        if x:
            self.toy = x
