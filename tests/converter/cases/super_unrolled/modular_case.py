from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    def __init__(self, config: int):
        super().__init__(config)
        self.extra = 1  # at the end

    def forward(self, x):
        x = x + 1
        return super().forward(x)

    def other(self, x):
        """From the delta."""
        super().other(x)
        for _ in range(2):
            x += 1


__all__ = ["CaseModel"]
