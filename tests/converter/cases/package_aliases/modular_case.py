# The licence of the case.
from torch import nn


class CaseLayer(nn.Module):
    pass


class CaseModel(nn.Module):
    layer = CaseLayer


__aliases__ = {"OldModel": "CaseModel", "OldLayer": "CaseLayer"}

__all__ = ["CaseModel"]
