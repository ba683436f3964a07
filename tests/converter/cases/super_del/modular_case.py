from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    def __init__(self, config):
        super().__init__(config)
        del self.size
        del depth


__all__ = ["CaseModel"]
