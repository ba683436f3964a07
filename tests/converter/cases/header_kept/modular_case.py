# coding=utf-8
# The licence of the case.
#
# Its second paragraph.

# A comment above the first import belongs to the header too.
from ..toy.modeling_toy import ToyModel


class CaseModel(ToyModel):
    pass


__all__ = ["CaseModel"]
