from ..toy.modeling_toy import ToyModel, rotate_hlaf


class CaseModel(ToyModel):
    def forward(self, x):
        return rotate_hlaf(x)


__all__ = ["CaseModel"]
