from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    def __init__(self, config):
        super().__init__(config)
        del [self.size]
        del self.parts[0]
        self.extra = 1
        del self.extra


__all__ = ["CaseModel"]
