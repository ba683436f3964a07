from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    def __init__(self, config):
        super().__init__(config)
        self.size = 4  # the delta's
        self.depth: int = 5
        a = b = 6
        self.inner = 7


__all__ = ["CaseModel"]
