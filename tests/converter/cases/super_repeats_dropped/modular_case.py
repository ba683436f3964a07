from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    def check(self, x):
        super().check(x)
        # said again
        if x > 1:
            raise ValueError("too big")
        print(x)  # twice
        print(x + 1)


__all__ = ["CaseModel"]
