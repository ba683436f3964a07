"""Documents of like length together, as many as a budget of tokens allows. Pure."""

from __future__ import annotations

from collections.abc import Sequence


_WASTE = 0.05  # of a batch may be padding
_FULL_ENOUGH = 16  # a batch below this part of the budget takes shorter documents, whatever is padding


def batches(lengths: Sequence[int], budget: int, rows: int = 4096) -> list[list[int]]:
    """Put documents into batches, longest first, so that little is padding and memory is short at once if ever.

    Args:
        lengths: the tokens of each document.
        budget: tokens of a batch at most, padding included; a document that is longer is a batch of its own.
        rows: documents of a batch at most.

    Returns:
        The numbers of the documents of each batch. The same lengths give the same batches.
    """
    order = sorted(range(len(lengths)), key=lambda each: (-lengths[each], each))
    found: list[list[int]] = []
    used = 0
    for each in order:
        width = lengths[found[-1][0]] if found else 0
        size = (len(found[-1]) + 1) * width if found else 0
        fits = 0 < size <= budget and len(found[-1]) < rows
        wastes = size > budget // _FULL_ENOUGH and size - used - lengths[each] > _WASTE * size
        if fits and not wastes:
            found[-1].append(each)
            used += lengths[each]
        else:
            found.append([each])
            used = lengths[each]
    return found


def padding_share(lengths: Sequence[int], groups: Sequence[Sequence[int]]) -> float:
    """The share of the tokens in padded batches that are padding."""
    used = sum(lengths[each] for group in groups for each in group)
    taken = sum(max(lengths[each] for each in group) * len(group) for group in groups)
    return 1 - used / taken if taken else 0.0
