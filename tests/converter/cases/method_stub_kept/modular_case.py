from ..toy.modeling_toy import ToyMLP, ToyModel


class CaseMLP(ToyMLP):
    def second(self):  # nothing above it: stays
        raise AttributeError("not here")


class CaseModel(ToyModel):
    size = 1

    @property
    def second(self):  # decorated: stays
        raise AttributeError("not here")


__all__ = ["CaseModel"]
