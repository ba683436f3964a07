"""A sample of mutants that stays the same while the code around it changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from math import sqrt

from mutation.values import Mutant


LEAST = 2  # of each package that has as many


def quotas(lines: Mapping[str, int], size: int) -> dict[str, int]:
    """How many mutants each package gives, by the root of its lines, so that small ones have their share."""
    whole = sum(sqrt(count) for count in lines.values()) or 1.0
    return {package: max(LEAST, round(size * sqrt(count) / whole)) for package, count in lines.items()}


def ranked(mutants: Iterable[Mutant], seed: int) -> list[Mutant]:
    """Mutants in the order in which a sample takes them: by a digest of what each says, and not of where it stands.

    A module that is moved keeps its mutants, and so does a line when those beside it change.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    keys = {}
    for mutant in mutants:
        said = (mutant.scope, mutant.text, mutant.operator, mutant.old, mutant.new)
        seen[(mutant.file, *said)] += 1
        words = "\n".join((str(seed), *said, str(seen[(mutant.file, *said)])))
        keys[mutant] = (sha256(words.encode()).hexdigest(), mutant.file)
    return sorted(keys, key=keys.__getitem__)


def sample(
    mutants: Iterable[Mutant], wanted: Mapping[str, int], seed: int, is_python: Callable[[Mutant], bool]
) -> list[Mutant]:
    """As many mutants of each package as are wanted of it, in the order of places; at most one of each function.

    Args:
        mutants: all that there are.
        wanted: how many of each package; of a package that is not named, none.
        seed: of the order that they are tried in.
        is_python: whether a mutant still compiles; the next one is taken in place of one that does not.
    """
    taken: dict[tuple[str, str], Mutant] = {}
    count: Counter[str] = Counter()
    for mutant in ranked(mutants, seed):
        inside = (mutant.file, mutant.scope)
        if count[mutant.package] < wanted.get(mutant.package, 0) and inside not in taken and is_python(mutant):
            taken[inside] = mutant
            count[mutant.package] += 1
    return sorted(taken.values(), key=lambda mutant: (mutant.file, mutant.edit.start))
