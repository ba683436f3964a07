"""Kinds of gate, read as text from `gates/<kind>/`: the declared value, and the definitions that models are made of."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache
from typing import Any

from diagnostics.names import nearest
from naming.declared import problems as problems_of
from syntax.modules import Module, Placed, read_module
from syntax.queries import names_in
from syntax.source import Source
from syntax.trees import tree_of

from converter.values import Loader
from weave.form import Form
from weave.form_filter import instead, left_over, without
from weave.gate import Argument, Gate, Site, Splice, Upstream
from weave.kind_checks import check_complete, check_function, check_values
from weave.spliced import Spliced


PACKAGE = "gates"
MAKES_TUPLES = "can_return_tuple"  # the decorator of transformers that reads `return_dict`
_ONE_WORD = re.compile("[a-z]+")  # what stands before `_gate` in the names of models, see naming.kinds
_VALUES = {each.__name__: each for each in (Gate, Argument, Splice, Upstream)}


@dataclass(frozen=True)
class GateKind:
    """A kind of gate: what its folder declares and defines."""

    name: str  # "quality": of the folder
    gate: Gate
    declaration: Module
    modules: tuple[Module, ...]
    words: Mapping[str, str]  # what deltas may declare: the word, and the class of weave.place that it means
    form: Form = Form.HOME  # that its definitions are read in

    @cached_property
    def splices(self) -> Mapping[Site, Spliced]:
        """The functions to splice in, by their sites."""
        return {each.site: each.function for each in self.gate.splices if isinstance(each.function, Spliced)}

    @cached_property
    def definitions(self) -> Mapping[str, tuple[Module, ast.stmt]]:
        """Everything the modules define, in their order; of a name defined twice, as `logger` is, the first."""
        found: dict[str, tuple[Module, ast.stmt]] = {}
        for module in self.modules:
            for name, node in module.definitions.items():
                found.setdefault(name, (module, node))
        return found

    @cached_property
    def imports(self) -> Mapping[str, tuple[str, str | None]]:
        """What the modules import from elsewhere: (module, name in it), or (module, None) for a module."""
        found = {name: origin for module in self.modules for name, origin in module.imports.items()}
        return {name: origin for name, origin in found.items() if not origin[0].startswith(f"{PACKAGE}.")}

    @cached_property
    def of_configurations(self) -> frozenset[str]:
        """The definitions that configurations need, which their files therefore hold."""
        return frozenset(self.reached([f"{self.gate.prefix}Config"]))

    @property
    def held(self) -> list[str]:
        """The definitions that are no role: what the home of the gate holds as it stands."""
        return [name for name in self.definitions if name not in self.roles]

    @cached_property
    def roles(self) -> frozenset[str]:
        """The classes that stand for those of a model: merged into the base's, they are never written themselves."""
        return frozenset(f"{self.gate.prefix}{role}" for role in ("Config", "PreTrainedModel", "Model", "ForCausalLM"))

    def role(self, name: str) -> tuple[Module, ast.ClassDef]:
        """The class that says what the gate adds to one in this role: "Config", "PreTrainedModel", "ForCausalLM"."""
        module, node = self.definitions[f"{self.gate.prefix}{name}"]
        assert isinstance(node, ast.ClassDef)
        return module, node

    @cached_property
    def output_fields(self) -> tuple[str, ...]:
        """What the gate adds to an output, in the order of its fields; none where it adds nothing."""
        found = self.definitions.get(f"{self.gate.prefix}Output")
        members = found[1].body if found and isinstance(found[1], ast.ClassDef) else ()
        return tuple(
            each.target.id for each in members if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
        )

    @cached_property
    def plan(self) -> Mapping[str, str]:
        """How tensor parallelism treats the weights of a layer's gate: the path behind that of the layers, and how."""
        module, model = self.role("Model")
        value = module.attribute(model, "_tp_plan")
        found = ast.literal_eval(value) if value is not None else {}
        return {path.removeprefix("layers"): style for path, style in found.items()}

    @cached_property
    def example(self) -> str:
        """The example in the docstrings of heads, at the left margin."""
        module, head = self.role("ForCausalLM")
        forward = module.own_method(head, "forward")
        return ast.get_docstring(forward) or "" if forward else ""

    @property
    def weights(self) -> list[str]:
        """The names of a gate's weights, below its layer: "quality_gate.gate.weight"."""
        return [f"{path.removeprefix('.*.')}.weight" for path in self.plan]

    @property
    def family(self) -> str:
        """What the names of gated models begin with: "quality_gate_"."""
        return f"{self.name}_gate_"

    def decorators(self, role: str, output: str) -> list[str]:
        """What the forward of a class in this role is decorated with, for the output class of a model."""
        module, node = self.role(role)
        forward = module.own_method(node, "forward")
        own = re.compile(rf"\b{self.gate.prefix}Output\b")
        return [own.sub(output, ast.unparse(each)) for each in forward.decorator_list] if forward else []

    def makes_tuples(self, role: str) -> bool:
        """Whether a decorator of the forwards in this role returns tuples to callers that ask for them."""
        used = names_in(*map(tree_of, self.decorators(role, f"{self.gate.prefix}Output")))
        return MAKES_TUPLES in used.union(*(names_in(self.definitions[each][1]) for each in self.reached(used)))

    def asked(self, prefix: str) -> tuple[Argument, ...]:
        """What the gates are asked, with types as a model has them whose classes begin with `prefix`."""
        return tuple(replace(each, type=self.named(each.type, prefix, f"{prefix}Gate")) for each in self.gate.asks)

    def reached(self, names: Iterable[str]) -> list[str]:
        """Some definitions and all that they name, transitively."""
        found = dict.fromkeys(name for name in names if name in self.definitions)
        waiting = list(found)
        for name in waiting:  # grows while it is walked
            for other in sorted(names_in(self.definitions[name][1]) & set(self.definitions)):
                if other not in found:
                    found[other] = None
                    waiting.append(other)
        return list(found)

    def named(self, text: str, prefix: str, module: str) -> str:
        """A text of the definitions as a model has it: `prefix` for the gate's own, `module` for its module class."""
        own = self.gate.prefix
        text = re.sub(rf"\b{own}(?=[A-Z])", prefix, text)
        return re.sub(rf"\b{own}\b", module, text)


def read_kind(name: str, load: Loader, kinds: Iterable[str] = (), form: Form = Form.HOME) -> GateKind:
    """The kind of gate that `gates/<name>/` declares, with its definitions as they are in a form.

    Raises LookupError where there is no such folder, with the nearest of `kinds`; ConversionError (`bad-gate`) where
    its declaration is no value of `weave.gate`.

    Args:
        name: of the folder, "quality".
        load: reads a module by its dotted name; None where there is none.
        kinds: the names that there are.
        form: what the gated models are written for.
    """
    source = load(f"{PACKAGE}.{name}")
    if source is None:
        raise LookupError(nearest(name, kinds) or "")
    if not _ONE_WORD.fullmatch(name):
        message = f"the folder is called {name!r}, and names of models begin with one word of lower-case letters"
        raise source.refuse(1, 1, "bad-gate", message, "give the folder such a name: `experts`")
    declaration = read_module(source)
    value = declaration.definitions.get("GATE")
    if not isinstance(value, ast.Assign):
        raise source.refuse(1, 1, "bad-gate", "this kind of gate declares no `GATE`", "assign a Gate to it")
    gate = _Reader(declaration).value(value.value)
    if not isinstance(gate, Gate):
        raise declaration.refuse(value, "bad-gate", "`GATE` is not a Gate", "write `GATE = Gate(...)`")
    for each in (*gate.modules, gate.home, gate.attribute, gate.prefix):
        if not isinstance(each, str) or not each.isidentifier():
            raise source.refuse(1, 1, "bad-gate", f"`{each}` is not a name", "write a Python name")
    for field, message, fix in problems_of(gate, name):
        said = (each for each in ast.walk(value) if isinstance(each, ast.keyword) and each.arg == field)
        raise declaration.refuse(next(said, value), "bad-gate", message, fix)
    sources = [_source(name, each, source, load) for each in gate.modules]
    if form is Form.UPSTREAM:
        own = _source(name, gate.upstream.module, source, load) if gate.upstream.module else None
        sources, asks = _prefixed(_upstream(tuple(sources), own, gate.upstream.without), gate)
        gate = replace(gate, asks=asks)
    modules = tuple(map(read_module, sources))
    found = GateKind(name, gate, declaration, modules, _words(declaration), form)
    check_complete(declaration, gate, found.roles, found.definitions, value)
    return found


def _source(name: str, module: str, declaration: Source, load: Loader) -> Source:
    found = load(f"{PACKAGE}.{name}.{module}")
    if found is None:
        message = f"there is no module `{module}` beside this declaration"
        raise declaration.refuse(1, 1, "bad-gate", message, "correct the name, or write that file")
    return found


@lru_cache(maxsize=8)  # every export asks for it several times, and it takes seconds
def _upstream(sources: tuple[Source, ...], own: Source | None, names: tuple[str, ...]) -> tuple[Source, ...]:
    """The modules of a kind without what is of the home form alone, and with what upstream's has instead or besides."""
    found = [replace(each, text=without(each.text, names)) for each in sources]
    if own is not None:
        found = [*(replace(each, text=instead(each.text, own.text)) for each in found), own]
    for each in found:
        if left := left_over(each.text, names):
            message = f"`{min(left)}` is of the home form alone, and what is left here still asks for it"
            raise each.refuse(1, 1, "bad-gate", message, "write this definition in the module for upstream")
    return tuple(found)


def _prefixed(sources: Sequence[Source], gate: Gate) -> tuple[list[Source], tuple[Argument, ...]]:
    """The modules, and the arguments of layers, with classes all of which begin with the gate's prefix, as those of models do."""
    named = "|".join(
        name
        for source in sources
        for name in read_module(source).classes
        if not name.lstrip("_").startswith(gate.prefix)
    )
    if not named:
        return list(sources), gate.asks
    word = re.compile(rf"\b(?=(?:{named})\b)")
    asks = tuple(replace(each, type=word.sub(gate.prefix, each.type)) for each in gate.asks)
    return [replace(each, text=word.sub(gate.prefix, each.text)) for each in sources], asks


def _words(declaration: Module) -> dict[str, str]:
    """The classes that derive from those of weave.place, and those of it that are handed on."""
    own = {name: origin[1] or name for name, origin in declaration.imports.items() if origin[0] == "weave.place"}
    derived = {
        name: own[base.id]
        for name, node in declaration.classes.items()
        for base in node.bases
        if isinstance(base, ast.Name) and base.id in own
    }
    return own | derived


class _Reader:
    """Reads the values of a declaration: literals, the classes of weave.gate, its sites, functions of the file."""

    def __init__(self, module: Module) -> None:
        self.module = module

    def value(self, node: ast.expr) -> object:
        """The value of an expression. Raises ConversionError (`bad-gate`)."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Tuple(elts=items) | ast.List(elts=items):
                return tuple(self.value(each) for each in items)
            case ast.Attribute(value=ast.Name(id="Site"), attr=name) if name in Site.__members__:
                return Site[name]
            case ast.Name(id=name) if isinstance(found := self.module.definitions.get(name), ast.FunctionDef):
                return self._function(found)
            case ast.Call(func=ast.Name(id=name)) if name in _VALUES:
                return self._made(_VALUES[name], node)
        message = f"`{ast.unparse(node)}` cannot be part of a gate's declaration"
        raise self._refuse(node, message, "use literals, functions of this file, and the classes of weave.gate")

    def _made(self, make: type[Any], node: ast.Call) -> object:
        values = [self.value(each) for each in node.args]
        named = {str(each.arg): self.value(each.value) for each in node.keywords}
        said = {each.name: pair for each, pair in zip(fields(make), zip(node.args, values))}
        said |= {str(each.arg): (each.value, named[str(each.arg)]) for each in node.keywords}
        check_values(self.module, make, said)
        try:
            return make(*values, **named)
        except TypeError as error:
            raise self._refuse(node, f"`{make.__name__}`: {error}", "see utils/weave/gate.py") from None

    def _function(self, node: ast.FunctionDef) -> Spliced:
        taken = node.args
        first, *parameters = (each.arg for each in taken.args) if taken.args else ("",)
        if first != "self" or taken.vararg or taken.kwarg or taken.kwonlyargs or taken.posonlyargs or taken.defaults:
            message = f"`{node.name}` does not take `self` first, and then the names of what its site offers"
            raise self._refuse(node, message, "write `def name(self, first, second):`, without defaults")
        check_function(self.module, node)
        lines = self.module.lines[node.body[0].lineno - 1 : node.end_lineno]
        indent = node.body[0].col_offset
        text = "\n".join(line[indent:] for line in lines)
        return Spliced(node.name, tuple(parameters), tuple(node.body), text)

    def _refuse(self, node: Placed, message: str, fix: str) -> Exception:
        return self.module.refuse(node, "bad-gate", message, fix)
