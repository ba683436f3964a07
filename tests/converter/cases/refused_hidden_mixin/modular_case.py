from ..toy.modeling_toy import ToyMLP


class CaseQuiet:
    def forward(self, x):
        return 0


class CaseLoud(CaseQuiet):
    scale: int

    def shout(self):
        return self


class CaseMLP(CaseLoud, ToyMLP):
    pass


class CaseOtherMLP(ToyMLP, CaseLoud):
    pass


class CaseOwnMLP(CaseLoud, ToyMLP):
    def forward(self, x):
        return x


__all__ = ["CaseMLP", "CaseOtherMLP", "CaseOwnMLP"]
