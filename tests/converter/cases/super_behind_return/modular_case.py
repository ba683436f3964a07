from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    def forward(self, x):
        super().forward(x)
        scale = 2
        self.count += 1


__all__ = ["CaseModel"]
