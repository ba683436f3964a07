from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    def __init__(self, config):
        super().__init__(config)
        self.head = 2


__all__ = ["CaseModel"]
