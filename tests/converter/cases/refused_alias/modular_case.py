from ..toy.modeling_toy import ToyModel as Base


class CaseModel(Base):
    pass


__all__ = ["CaseModel"]
