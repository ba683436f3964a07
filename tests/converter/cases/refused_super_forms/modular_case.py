from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    def __init__(self, config):
        super(ToyModel, self).__init__(config)

    def forward(self, x, twice=lambda self, x: super(CaseModel, self).forward(x)):
        above = super()

        def inner():
            return super(CaseModel, self).forward(x)

        method = super().forward
        return above.forward(x) + inner() + method(x) + __class__.size


__all__ = ["CaseModel"]
