from ..toy.modeling_toy import ToyMLP, ToyModel


class CaseMLP(ToyMLP):
    def __init__(self, config):
        self.early = 1  # the parent does not start with super().__init__: stays in front
        super().__init__(config)


class CaseModel(ToyModel):
    def __init__(self, config):
        """From the delta."""
        self.early = 1
        super().__init__(config)
        self.late = 2


__all__ = ["CaseModel"]
