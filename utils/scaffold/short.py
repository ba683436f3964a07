"""The text of a short delta: the base, the gate, and where it goes in each layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from building.casing import read_casing
from building.library import Library
from building.style import style
from building.workspace import GATE, find_transformers
from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from places import PROJECT, STYLE
from syntax.queries import names_in
from syntax.source import Source
from weave.base import Base
from weave.gate import Gate
from weave.limits import left_out
from weave.place import Scaled, Where
from weave.stack import Stack, read_stack
from weave.stage import roots_of
from weave.woven import weave

from scaffold.feedforward import feed_forward_names
from scaffold.find import find_base
from scaffold.places import find_places, site_of
from scaffold.sites.values import Found
from scaffold.title import title


_TEXT = '''\
# SPDX-License-Identifier: Apache-2.0
"""{said}"""

from gates.{kind} import {words}
from transformers.models.{base} import modeling_{base} as base


{classes}
'''
_CLASS = """\
class {name}(base.{parent}):
    {attribute} = {declared}
"""


@dataclass(frozen=True, slots=True)
class ShortDelta:
    """A short delta and what was found on the way."""

    name: str
    text: str
    places: tuple[str, ...]  # "file:line" of the statements of the base that gates stand before
    layers: tuple[str, ...]  # the classes of layers with a gate
    ungated: tuple[str, ...]  # those without, and without a layer inside that has one
    gate: str = GATE  # the kind


def short_delta(name: str, package: Path | None = None, gate: str = GATE, project: Path = PROJECT) -> ShortDelta:
    """Write the short delta that gates a base of transformers ("mistral"). Reads its modules as text; writes no file.

    Args:
        name: of the base's folder.
        package: the folder of a transformers; without one, of the installed one.
        gate: the kind of gate.
        project: whose kinds of gate are looked in.

    Raises:
        ConversionError: the place of a gate cannot be told from the base's text, or `find_base` refuses the base. The
            diagnostic has the reason and the line.
    """
    package = package or find_transformers()
    base = find_base(name, package, gate, project)
    stack = read_stack(base)
    places = find_places(base, stack, site_of(base.kind))
    ungated = [each for each in stack.layers if each.name not in places and not names_in(each) & set(places)]
    lines = (f"{base.modeling.source.path}:{line}" for found in places.values() for line in found.lines)
    text = render_short(base, stack, places)
    _check(base, text, package, project)
    return ShortDelta(name, text, tuple(lines), tuple(places), tuple(each.name for each in ungated), gate)


def render_short(base: Base, stack: Stack, places: Mapping[str, Found]) -> str:
    """The text of the short delta that declares these places, as ruff formats it.

    Raises ConversionError (`invalid-output`) where it is no Python, which is a fault of ours.
    """
    declared: dict[str, Where] = {}
    for found in places.values():
        declared |= found.declared
    gate = base.kind.gate
    words = {_word(each, gate) for each in declared.values()}
    classes = [
        _CLASS.format(name=base.gated(parent), parent=parent, attribute=gate.attribute, declared=_written(each, gate))
        for parent, each in declared.items()
    ]
    text = _TEXT.format(
        said=_said(base, stack),
        kind=base.kind.name,
        words=", ".join(sorted(words)),
        base=base.name,
        classes="\n\n".join(classes),
    )
    return _styled(f"modular_{base.gated_name}.py", text)


def _check(base: Base, text: str, package: Path, project: Path) -> None:
    """Raise ConversionError where the base cannot be woven with this delta, for another reason than its place."""
    library = Library({"transformers": package, **roots_of(project)})
    path = f"modular/modular_{base.gated_name}.py"
    weave(Source(path, f"modular_{base.gated_name}", text), base.gated_name, library.load, read_casing(package))


def _word(declared: Where, gate: Gate) -> str:
    """The name of what declares a place: the gate's own for a layer, `Scaled` for a class that only scales."""
    return type(declared).__name__ if isinstance(declared, Scaled) else gate.prefix


def _written(declared: Where, gate: Gate) -> str:
    """A place as a delta writes it: what is not said is left out, and the name of what is scaled comes first."""
    said = {each.name: getattr(declared, each.name) for each in fields(declared)}
    first = [repr(said.pop("name"))] if "name" in said else []
    return f"{_word(declared, gate)}({', '.join([*first, *(f'{key}={value!r}' for key, value in said.items() if value)])})"


def _said(base: Base, stack: Stack) -> str:
    """What the docstring says: the model and its gate, and which layers have none."""
    module = base.modeling
    first = f"{title(base, stack)} with {base.kind.gate.phrase}."
    optional = left_out(module, stack.container or stack.model, stack.layer_calls)
    without = sorted(name for name in optional if feed_forward_names(module, module.classes[name]))
    if not without:
        return first
    return f"{first}\n\nNo gate in {', '.join(without)}, which some inputs leave out: scores are of the same layers for all.\n"


def _styled(file: str, text: str) -> str:
    """The text as ruff formats it. Raises ConversionError (`invalid-output`) where it is no Python."""
    path = f"modular/{file}"
    styled = style({path: text}, STYLE)
    if path not in styled.texts:
        raise ConversionError(Diagnostic("invalid-output", path, 1, 1, "the delta is not Python", "report this fault"))
    return styled.texts[path]
