from ..toy.modeling_toy import ToyLayer


class CaseLayer(ToyLayer):
    def forward(self, x):
        return super().forward(x) + 1

    def other(self, x):
        x = super().forward(x)
        return super().other(x)


__all__ = ["CaseLayer"]
