from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    def __init__(self, config):
        super().__init__(config)
        self.size = 4

    def reset(self):
        super().reset()
        self.late = True


__all__ = ["CaseModel"]
