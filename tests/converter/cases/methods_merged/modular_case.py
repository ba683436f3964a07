from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    def extra(self):
        return 4

    # The delta's comment on a method is not kept.
    def second(self, x):
        return x
        # Below its last statement the delta's is.


__all__ = ["CaseModel"]
