from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    def forward(self, scale=1.0, mask: int = 1, **super_kwargs):
        return super().forward(**super_kwargs)


__all__ = ["CaseModel"]
