"""The gated layers of a delta: the base's, with a gate where the delta's anchors say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace

from diagnostics.errors import ConversionError
from diagnostics.names import nearest
from syntax.modules import Function
from syntax.queries import calls

from weave.anchors import Misfit
from weave.attention_output import constructed, feed
from weave.base import Base
from weave.chunked import hand, scale_handed
from weave.declaration import Declaration
from weave.declared import Declared
from weave.forwarding import asks, dedent_function, indent_function, rename
from weave.gate import Site
from weave.heads import is_documented
from weave.layer_output import at_the_end, numbered
from weave.names import names_of
from weave.place import Feeds, Place, Returns, Scaled, Where
from weave.place_checks import check_free, check_places, check_words, made_by_parent
from weave.splice import splice
from weave.spliced import Spliced
from weave.stack import Stack


@dataclass(frozen=True)
class Layer:
    """One class of decoder layers with a gate, or the class that adds the residual for such a layer."""

    name: str
    parent: str
    # of its constructor, "config: QualityGateMistralConfig, layer_idx: int"; "" where it has none of its own
    parameters: str
    arguments: str  # for the base's, "config, layer_idx"
    set_up: str  # what the constructor does besides, indented as its body
    forward: str  # as a member of the class
    places: tuple[str, ...] = ()  # "file:line" of the base's statements that the gates stand before
    members: str = ""  # other methods that the gate changes


def gated_layers(base: Base, stack: Stack, declaration: Declaration) -> tuple[Layer, ...]:
    """The classes that a delta declares a place in, woven. Raises ConversionError at the delta's line."""
    check_places(base, stack, declaration)
    weaver = _Weaver(base, stack, declaration)
    return tuple(weaver.layer(each) for each in declaration.places.values())


class _Weaver:
    def __init__(self, base: Base, stack: Stack, declaration: Declaration) -> None:
        self.base, self.stack, self.declaration = base, stack, declaration
        self.module, self.kind, self.names = base.modeling, base.kind, base.gated_names

    def layer(self, declared: Declared) -> Layer:
        """One class with what its anchors put into it."""
        node = self.module.classes[declared.parent or ""]
        forward = self.module.method(node, "forward")
        if forward is None:
            raise self._refuse(declared, f"{node.name} has no forward", "declare the place in the layer's class")
        text = dedent_function(self.module, forward)
        try:
            if isinstance(declared.place, Scaled):
                scaled = scale_handed(text, declared.place, self.kind.splices)
                return Layer(declared.name, node.name, "", "", "", self._member(scaled))
            assert declared.place is not None
            own, lines, members = self._forward(node, text, declared.place)
        except Misfit as problem:
            raise self._misfit(declared, node, forward, problem) from None
        asked = asks(own, self.kind.asked(self.base.prefix(self.stack.causal.name)), is_documented(forward))
        places = tuple(f"{self.module.source.path}:{forward.lineno + line - 1}" for line in lines)
        layer = self._constructed(declared, node)
        return replace(layer, forward=self._member(asked), places=places, members=members)

    def _forward(self, node: ast.ClassDef, text: str, place: Where) -> tuple[str, tuple[int, ...], str]:
        """The forward with the gate, the lines where it stands, and other methods that hand something on."""
        check_words(self.module, node, place)
        if isinstance(place, Feeds):
            fed = feed(text, place, self.kind.splices)
            return fed.text, fed.lines, ""
        if isinstance(place, Returns):
            ended = at_the_end(text, place, self.kind.splices)
            return ended.text, ended.lines, ""
        assert isinstance(place, Place)
        if place.hands is None:
            woven = splice(text, place, self.kind.splices)
            return woven.text, woven.lines, ""
        chunk = self.module.method(node, place.reads.removeprefix("self."))
        if chunk is None:
            raise Misfit(f"the class has no method that `{place.reads}` could be")
        handing = hand(text, dedent_function(self.module, chunk), place, self.kind.splices)
        return handing.forward, (handing.line,), self._member(handing.chunk) if handing.chunk else ""

    def _member(self, text: str) -> str:
        return indent_function(rename(text, self.names))

    def _constructed(self, declared: Declared, node: ast.ClassDef) -> Layer:
        if made_by_parent(self.module, node, self.declaration.places):
            return Layer(declared.name, node.name, "", "", "", "")
        init = self.module.method(node, "__init__")
        if init is None or "config" not in (each.arg for each in init.args.args):
            fix = "write its constructor in this delta"
            raise self._refuse(declared, f"{node.name} is not made from a configuration alone", fix)
        if self.base.renaming.word(node.name) == node.name:
            message = f"{node.name} is not named after its model: {self.stack.model.name} would go on building it without a gate"
            raise self._refuse(declared, message, "gate another base, or write a modular file by hand")
        check_free(self.base, node)
        parameters, arguments = _constructor(init, self.base.gated(self.stack.config), self.names)
        return Layer(declared.name, node.name, parameters, arguments, self._set_up(declared), "")

    def _set_up(self, declared: Declared) -> str:
        """What the constructor does for the gate; with `when`, the gate itself under a condition."""
        spliced = self.kind.splices[Site.LAYER]
        names = names_of(self.base, self.stack)
        text = _constructed_for(spliced, declared.place)
        text = self.kind.named(text, names.prefix, names.module)
        when = declared.place.when if isinstance(declared.place, Place) else None
        if when:
            attribute = f"self.{self.kind.gate.attribute} = "
            lines = text.split("\n")
            own = [number for number, line in enumerate(lines) if line.startswith(attribute)]
            is_asked = Site.EXPERTS_OUTPUT in self.kind.splices  # by every layer, whether there is one
            for number in own:
                lines[number] = (
                    f"{lines[number]} if {when} else None" if is_asked else f"if {when}:\n    {lines[number]}"
                )
            text = "\n".join(lines)
        return "\n".join(f"        {line}" if line else "" for line in text.split("\n"))

    def _misfit(self, declared: Declared, node: ast.ClassDef, forward: Function, problem: Misfit) -> ConversionError:
        line = forward.lineno + problem.line - 1
        place = f"{self.module.source.path}:{line}"
        wanted = next(iter(re.findall(r"`([^`]+)`", str(problem))), None)
        callees = _callees(forward)
        close = nearest(wanted, callees) if wanted and wanted not in callees else None
        fix = f"did you mean `{close}`?" if close else "name the place in the base's own words, as its forward is now"
        message = f"{node.name}.forward ({place}): {problem}"
        return self.declaration.refuse(declared.said(wanted), "anchor-misfit", message, fix)

    def _refuse(self, declared: Declared, message: str, fix: str) -> ConversionError:
        return self.declaration.refuse(declared.anchor or declared.node, "no-place", message, fix)


def _constructed_for(spliced: Spliced, place: Where | None) -> str:
    """What a constructor does for its gate, with what the place says to it."""
    if isinstance(place, Feeds):
        return constructed(spliced, place)
    return numbered(spliced, place) if isinstance(place, Returns) else spliced.text


def _callees(function: Function) -> Iterable[str]:
    return sorted({ast.unparse(each.func) for each in calls(function)})


def _constructor(init: Function, config: str, names: Mapping[str, str]) -> tuple[str, str]:
    """The parameters of a layer's constructor, and how they are handed on."""
    own = deepcopy(init.args)
    for each in own.args:
        if each.arg == "config":
            each.annotation = ast.Name(config)
    parameters = re.sub(r"\w+", lambda word: names.get(word[0], word[0]), ast.unparse(own))
    return parameters.removeprefix("self, "), ", ".join(each.arg for each in own.args[1:])
