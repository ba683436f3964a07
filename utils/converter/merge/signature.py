"""Splice the parent's parameters into the delta's."""

from __future__ import annotations

import libcst as cst


def merge_parameters(parent: cst.Parameters, delta: cst.Parameters) -> cst.Parameters:
    """Splice the parent's parameters in where the delta says ``**super_kwargs``.

    parent   def forward(self, x, mask=None, **kwargs)
    delta    def forward(self, scale=1.0, **super_kwargs)
    result   def forward(self, x, mask=None, scale=1.0, **kwargs)
    """
    if delta.star_kwarg is None or delta.star_kwarg.name.value != "super_kwargs":
        return delta
    mine = {each.name.value: each for each in delta.params}
    spliced = [mine.pop(each.name.value, each) for each in parent.params]
    return parent.with_changes(params=[*spliced, *mine.values()])
