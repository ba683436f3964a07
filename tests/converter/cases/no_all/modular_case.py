from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    pass
