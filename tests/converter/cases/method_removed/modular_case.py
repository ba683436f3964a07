from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    size = 1

    def second(self, **kwargs):
        raise AttributeError("not here")


__all__ = ["CaseModel"]
