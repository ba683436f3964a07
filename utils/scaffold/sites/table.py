"""The finders of each site, in the order in which they are tried. A new site is a file beside this one and a row here."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from syntax.modules import Module

from scaffold.sites.attention_output import find_attention_output
from scaffold.sites.branch import find_branch
from scaffold.sites.chunk import find_chunk
from scaffold.sites.experts_output import find_experts_output
from scaffold.sites.layer_output import find_layer_output
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


@dataclass(frozen=True, slots=True)
class Site:
    """A place that layers have in common, its finders in the order of trial, and how a base without it is refused."""

    finders: tuple[Finder, ...]
    code: str
    lacking: str  # "no layer of ToyModel has ..."
    fix: str


FEED_FORWARD = Site(
    (
        Finder(find_chunk, "its forward names no feed-forward attribute, and hands the part away as a method"),
        Finder(find_branch, "its feed-forward part has the name of all mixers, so that no attribute tells it"),
        Finder(find_single, "takes every other layer that names its part, and refuses the rest"),
    ),
    "no-feed-forward",
    "a feed-forward part that a gate could be put before",
    "choose a base with attention and feed-forward parts",
)
ATTENTION_OUTPUT = Site(
    (Finder(find_attention_output, "the projection stands in the attention class itself"),),
    "no-place",
    "attention whose output a gate could be put on",
    "choose a base with attention",
)
EXPERTS_OUTPUT = Site(
    (Finder(find_experts_output, "the feed-forward part, found as everywhere, of the layers that have experts"),),
    "no-experts",
    "a mixture of experts that a gate could be put on",
    "choose a base with experts; `--gate quality` takes dense ones",
)
LAYER_OUTPUT = Site(
    (Finder(find_layer_output, "every layer returns once, at its end"),),
    "no-place",
    "an output that a gate could be put on",
    "write this delta by hand",
)
