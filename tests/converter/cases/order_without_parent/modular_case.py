from ..toy.modeling_toy import beta
from ..yet.modeling_yet import alpha, gamma


def own_after():
    return OWN


OWN = 1


# a comment on a class without a parent is kept
class CaseModel:
    parts = [own_after, alpha, beta, gamma]


__all__ = ["CaseModel"]
