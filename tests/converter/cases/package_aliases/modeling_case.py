# Generated from src/transformers/models/case/modular_case.py and transformers 5.23.0.
# Do not edit: change the modular file and convert it again.
# Seal: sha256 38d7edb1d900449fdd747f491661f61b5ef115d174f5e06a7d51d63493b0fa3c
# The licence of the case.
from torch import nn


class CaseLayer(nn.Module):
    pass


class CaseModel(nn.Module):
    layer = CaseLayer


__all__ = ["CaseModel"]
