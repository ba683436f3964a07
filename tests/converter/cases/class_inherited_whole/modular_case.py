from ..toy.modeling_toy import ToyModel


# The delta's comment on a class is not kept.
class CaseModel(ToyModel):
    pass


__all__ = ["CaseModel"]
