"""The finders of each site, in the order in which they are tried. A new site is a file beside this one and a row here."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from scaffold.modules import Module
from scaffold.sites.branch import find_branch
from scaffold.sites.chunk import find_chunk
from scaffold.sites.single import find_single
from scaffold.sites.values import Found


Find = Callable[[Module, ast.ClassDef, frozenset[str]], Found | None]


@dataclass(frozen=True, slots=True)
class Finder:
    """One way in which bases spell a site.

    `find` takes a module, the class of a layer and the attributes of its feed-forward part. It answers with the places,
    or None where a layer is not spelt like this; it raises NoPlace where it is, and has no place for a gate.
    """

    find: Find
    why: str  # it is tried where it stands


FEED_FORWARD = (
    Finder(find_chunk, "its forward names no feed-forward attribute, and hands the part away as a method"),
    Finder(find_branch, "its feed-forward part has the name of all mixers, so that no attribute tells it"),
    Finder(find_single, "takes every other layer that names its part, and refuses the rest"),
)
