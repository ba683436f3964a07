from ..toy.modeling_toy import ToyMLP
SIZES = (1, 2); NAMES = ("a;b", "c")  # both


class CaseMLP(ToyMLP):
    low = 1; high = 2
    def __init__(self, config): super().__init__(config); self.depth = SIZES
    def forward(self, x): y = NAMES; return y


__all__ = ["CaseMLP"]
