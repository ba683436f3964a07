"""What a kind of gate says in each role of a model, as text: fields, outputs, members, with the base's own lists."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from syntax.modules import Module
from syntax.queries import dotted, is_super_call, names_in, string
from syntax.statements import members_past_super
from syntax.trees import tree_of

from weave.base import Base
from weave.configs import Config
from weave.docstrings import split_entries
from weave.documented import intro
from weave.form import Form
from weave.names import Names


@dataclass(frozen=True)
class GateTexts:
    """The parts of a woven delta that are the gate's own, named as in the model."""

    field_docs: str  # at the left margin
    fields: str  # as members of a class, as the rest
    post_init: str
    config_methods: str  # of the configuration, but that one
    output_class: str  # what is mixed into outputs; "" where the gate adds nothing to them
    output_docs: str
    output_fields: str
    module_class: str
    sample: str  # an argument for the configuration of the example
    exports: tuple[str, ...]


@dataclass(frozen=True)
class Pretrained:
    """What the gate adds to the abstract model of a base."""

    name: str
    parent: str
    lists: tuple[str, ...]  # attributes that continue lists of the base, a statement each
    attributes: tuple[str, ...]
    checks: str  # what its constructor does first, at the left margin
    methods: str
    prefix: str | None
    initializes_models: bool


class Roles:
    """Reads the roles of a base's kind of gate, for one model."""

    def __init__(self, base: Base, names: Names) -> None:
        self.base, self.kind, self.names = base, base.kind, names
        self.is_upstream = base.kind.form is Form.UPSTREAM
        self.is_home = base.gated_name == f"{self.kind.family}{self.kind.gate.home}"

    def named(self, text: str) -> str:
        """A text of the definitions with the names of this model."""
        return self.kind.named(text, self.names.prefix, self.names.module)

    def texts(self, base_config: Config, mixes: bool) -> GateTexts:
        """The gate's own parts. `mixes`: whether an output of this model takes what the gate adds by a class."""
        module, config = self.kind.role("Config")
        fields = [each for each in config.body if isinstance(each, ast.AnnAssign)]
        docs = ast.get_docstring(config) or ""
        output, output_docs, output_fields = self._output()
        return GateTexts(
            field_docs=docs.strip("\n"),
            fields="\n".join(_text(module, each) for each in fields),
            post_init=self._post_init(module, config, base_config),
            config_methods=self._config_methods(module, config),
            output_class=output if mixes else "",
            output_docs=output_docs,
            output_fields=output_fields,
            module_class=self._class(self.kind.gate.prefix, self.names.module),
            sample=self.kind.gate.sample,
            exports=() if self.is_upstream else self.kind.gate.exports,
        )

    def definitions(self, text: str) -> tuple[list[str], list[str], list[str]]:
        """The definitions that a woven text needs and holds itself: of the configuration, of the model, of heads.

        The home of the gate holds all that its roles name; what only some models need, each of these holds. So does each
        with the constant that documents inputs: transformers' own converter takes none over that only decorators name.

        Raises ConversionError (`conflicting-definition`) for one that is called as another of the base.
        """
        held = self._at_home()
        used = self.kind.reached(names_in(tree_of(text)) & set(self.kind.definitions))
        written = [self.kind.gate.prefix, f"{self.kind.gate.prefix}Output", *self.kind.roles]
        alone = [name for name in self.kind.definitions if name in used and name not in held]
        self._check_own([*alone, *(held if self.is_home else ())])
        heads = [self._definition(name) for name in alone if name not in written]
        if not self.is_home:
            heads = self._classes_of_home(held - set(written), [text, *heads]) + heads
            return [self._definition(name) for name in self._inputs() if name in used], [], heads
        ordered = [name for name in self.kind.definitions if name in held and name not in written]
        early = [name for name in ordered if name in self.kind.of_configurations or self._is_constant(name)]
        return self._grouped(early), self._grouped([name for name in ordered if name not in early]), heads

    def _check_own(self, names: Iterable[str]) -> None:
        """Raise ConversionError (`conflicting-definition`) for one that is called as another of the base, and replaces it."""
        files = (self.base.modeling, self.base.configuration)
        for name, file in ((name, file) for name in sorted(names) for file in files):
            module, node = self.kind.definitions[name]
            theirs = file.definitions.get(self.named(name))
            if theirs is None or ast.dump(theirs) == ast.dump(node):
                continue
            message = f"`{name}` is something else in the base ({file.source.path}:{theirs.lineno}), whose code would mean this"
            raise module.refuse(node, "conflicting-definition", message, "give it another name")

    def _classes_of_home(self, held: set[str], texts: Iterable[str]) -> list[str]:
        """Classes that the home holds and these texts name as this model's own: each made from the one there."""
        wanted = set().union(*(names_in(tree_of(text)) for text in texts))
        own = (
            name
            for name, (_, node) in self.kind.definitions.items()
            if isinstance(node, ast.ClassDef) and name in held
        )
        return [self._class(name, new) for name in own if (new := self.named(name)) != name and new in wanted]

    def _inputs(self) -> list[str]:
        return [self.kind.gate.upstream.inputs] if self.is_upstream and self.kind.gate.upstream.inputs else []

    def _grouped(self, names: Iterable[str]) -> list[str]:
        """The texts of definitions, those in one that stand on neighbouring lines."""
        found: list[str] = []
        last: tuple[Module, int] | None = None
        for name in names:
            module, node = self.kind.definitions[name]
            if last == (module, node.lineno - 1):
                found[-1] += f"\n{self._definition(name)}"
            else:
                found.append(self._definition(name))
            last = module, node.end_lineno or node.lineno
        return found

    def _at_home(self) -> set[str]:
        return set(self.kind.reached([*self.kind.roles, *self.kind.gate.exports, *self._inputs()]))

    def _is_constant(self, name: str) -> bool:
        return isinstance(self.kind.definitions[name][1], ast.Assign)

    def _definition(self, name: str) -> str:
        module, node = self.kind.definitions[name]
        return self.named(_text(module, node))

    def _class(self, name: str, new: str) -> str:
        """A class of the definitions: whole where it is at home, elsewhere made from the one there."""
        if self.is_home:
            return self._definition(name)
        home = self.base.casing.of_model(f"{self.kind.family}{self.kind.gate.home}").camel
        return f"class {new}({self.kind.named(name, home, f'{home}Gate')}):\n    pass"

    def _output(self) -> tuple[str, str, str]:
        name = f"{self.kind.gate.prefix}Output"
        if name not in self.kind.definitions:
            return "", "", ""
        module, node = self.kind.definitions[name]
        assert isinstance(node, ast.ClassDef)
        docs = ast.get_docstring(node) or ""
        said, entries = split_entries(docs)
        fields = "\n".join(_text(module, each) for each in node.body if isinstance(each, ast.AnnAssign))
        methods = [_text(module, each) for each in node.body if isinstance(each, ast.FunctionDef)]
        fields = "\n\n".join([fields, *methods])
        text = self._class(name, self.names.output)
        if self.is_home and self.is_upstream:
            text = self._documented(node, said, entries, fields)
        return text, entries, fields

    def _documented(self, node: ast.ClassDef, said: str, entries: str, fields: str) -> str:
        """A class of outputs whose docstring has nothing but its fields, as transformers keeps them."""
        decorators = [intro(said), *map(ast.unparse, node.decorator_list)]
        bases = ", ".join(map(ast.unparse, node.bases))
        head = "".join(f"@{each}\n" for each in decorators) + f"class {node.name}({bases}):\n"
        return self.named(f'{head}    r"""\n{_indented(entries)}\n    """\n\n{fields}')

    def _post_init(self, module: Module, config: ast.ClassDef, base_config: Config) -> str:
        """`__post_init__`; behind a base's that ends in a return nothing can be added, so all of it goes before.

        transformers' own converter knows `super()` only where the base has the method.
        """
        method = module.own_method(config, "__post_init__")
        if method is None:
            return ""
        text = _text(module, method)
        if self.is_upstream and not base_config.initializes:
            text = members_past_super(text, method.name, "PreTrainedConfig")
        if not base_config.returns:
            return self.named(text)
        place = next(number for number, each in enumerate(method.body) if is_super_call(each, method.name))
        call, behind = method.body[place], method.body[place + 1 :]
        lines = text.split("\n")
        first, last = call.lineno - method.lineno, (call.end_lineno or call.lineno) - method.lineno + 1
        end = (behind[-1].end_lineno if behind else call.end_lineno) or 0
        moved = [*lines[:first], *lines[last : end - method.lineno + 1], *lines[first:last]]
        return self.named("\n".join(moved))

    def _config_methods(self, module: Module, config: ast.ClassDef) -> str:
        """What else a gated configuration does otherwise than its base."""
        methods = (each for each in config.body if isinstance(each, ast.FunctionDef) and each.name != "__post_init__")
        return "\n\n".join(self.named(_text(module, each)) for each in methods)

    def pretrained(self, node: ast.ClassDef, prefix: str | None, initializes_models: bool) -> Pretrained:
        """What the gate adds to a base's abstract model `node`."""
        module, role = self.kind.role("PreTrainedModel")
        assigned = [each for each in role.body if isinstance(each, ast.Assign)]
        lists = [each for each in assigned if isinstance(each.value, ast.List)]
        others = [each for each in assigned if each not in lists and not isinstance(each.value, ast.Dict)]
        methods = [each for each in role.body if isinstance(each, ast.FunctionDef) and each.name != "__init__"]
        return Pretrained(
            name=self.base.gated(node.name),
            parent=node.name,
            lists=tuple(self._continued(module, each, node) for each in lists),
            attributes=tuple(self.named(_text(module, each)).strip() for each in others),
            checks="\n".join(self._checks(module, role)),
            methods="\n\n".join(self._method(module, each, node) for each in methods),
            prefix=prefix,
            initializes_models=initializes_models,
        )

    def recorded(self) -> dict[str, str]:
        """What the gate has the outputs of a model record."""
        module, role = self.kind.role("PreTrainedModel")
        value = module.attribute(role, "_can_record_outputs")
        if not isinstance(value, ast.Dict):
            return {}
        pairs = zip(value.keys, value.values)
        return {_quoted(key): self.named(ast.unparse(each)) for key, each in pairs if key is not None}

    def _continued(self, module: Module, statement: ast.Assign, node: ast.ClassDef) -> str:
        """A list of the role behind the base's own; its comment says why, where the base does not have one."""
        name = dotted(statement.targets[0])
        own = self.base.modeling.attribute(node, name)
        line = _text(module, statement).strip()
        if own is None:
            return line
        values = [*ast.literal_eval(own), *ast.literal_eval(statement.value)]
        comment = line.partition("  #")[2]
        strict = name.endswith("_strict")
        return f"{name} = {values}" + (f"  #{comment}" if comment and strict else "")

    def _checks(self, module: Module, role: ast.ClassDef) -> Iterator[str]:
        init = module.own_method(role, "__init__")
        for each in init.body if init else ():
            if is_super_call(each, "__init__"):
                return
            yield self.named(_text(module, each)).strip()

    def _method(self, module: Module, method: ast.FunctionDef, node: ast.ClassDef) -> str:
        """A method of the role; what the base does not define in its own class is called by its name."""
        text = self.named(_text(module, method))
        if self.base.modeling.own_method(node, method.name) is None:
            text = members_past_super(text, method.name, "PreTrainedModel")
        return text


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.split("\n"))


def _quoted(key: ast.expr) -> str:
    return f'"{said}"' if (said := string(key)) is not None else ast.unparse(key)


def _text(module: Module, node: ast.stmt) -> str:
    """The lines of a statement with its decorators, and the comment behind it."""
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
    return "\n".join(module.lines[first - 1 : node.end_lineno])
