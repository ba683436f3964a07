"""What the template says of a base: the parts of a gated model as text."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from rendering.render import render
from syntax.modules import Module
from syntax.queries import exported, names_in, string

from weave.base import Base
from weave.checkpoints import checkpoint_of, checkpoints, complete, named_checkpoint
from weave.configs import read_config
from weave.declaration import Declaration
from weave.dependencies import circular, other_configs, reached
from weave.form import Form
from weave.forwarding import rename_members
from weave.heads import ModelPart, container_text, head_part, model_part
from weave.layers import Layer
from weave.limits import check_imports
from weave.mappings import gate_restored, mapped_names
from weave.names import names_of
from weave.outputs import needs_mixin, output_classes
from weave.paths import gate_plan, gate_weights
from weave.roles import Pretrained, Roles
from weave.stack import Stack


TEMPLATE = "woven_delta.py.j2"


class Values:
    """What the template says of a base."""

    def __init__(
        self,
        base: Base,
        stack: Stack,
        layers: tuple[Layer, ...],
        declaration: Declaration,
        configs: list[str],
        text_checkpoint: str,
    ) -> None:
        self.base, self.stack, self.layers, self.written_configs = base, stack, layers, configs
        self.declaration, self.text_checkpoint = declaration, text_checkpoint
        self.is_upstream = base.kind.form is Form.UPSTREAM
        self.gated = base.gated_names
        self.names = names_of(base, stack)
        self.roles = Roles(base, self.names)
        self.outputs = output_classes(base, stack, self.names)
        self.written_outputs = tuple(self.outputs.values()) if base.kind.output_fields else ()
        self.config = read_config(base, stack.config, stack.model)

    def rendered(self) -> str:
        """The template filled in, but for imports and what stands above them."""
        values = self.all()
        body = render(TEMPLATE, **values)
        early, held, late = self.roles.definitions(body)
        values |= {"configuration_definitions": early, "definitions": held, "head_definitions": late}
        return render(TEMPLATE, **values)

    def all(self) -> dict[str, object]:
        """Every value of the template but the definitions, which are what these need."""
        base, stack, names = self.base, self.stack, self.gated
        model, heads = self._model(), self._heads()
        others_exported = [name for name in self.written_configs if name != base.gated(self.config.name)]
        recorded, in_model = self._recorded()
        pretrained = self._pretrained()
        inside = rename_members(container_text(base, stack), names)
        texts = [*recorded.values(), *(each.forward for each in self.layers), model.text, inside]
        texts += [text for head in heads for text in (head.text, head.members)]
        stubs, later = self._stubs(texts, {pretrained.name, model.name, *(head.name for head in heads)}, bool(inside))
        earlier, others = self._configs(later)
        mappings = self._mappings((model, *heads))
        gate = self.roles.texts(self.config, needs_mixin(self.written_outputs))
        return {
            "names": self.names,
            "is_upstream": self.is_upstream,
            "marked": self._marked(),
            "package": "transformers" if self.is_upstream else f"generated.{base.gated_name}",
            "model_type": self._model_type(),
            "gate": gate,
            "gated_config": base.gated(self.config.name),
            "exported": [base.gated(self.config.name), *others_exported, *self._exported((pretrained, model, *heads))],
            "config": self.config,
            "outputs": self.written_outputs,
            "configuration_definitions": [],
            "definitions": [],
            "head_definitions": [],
            "stubs": stubs,
            "later_stubs": [(names[name], name) for name in later if name in names],
            "earlier_configs": earlier,
            "other_configs": others,
            "layers": self.layers,
            "pretrained": pretrained,
            "recorded": recorded,
            "records_in_model": in_model,
            "shares_classes": bool(earlier or others),
            "container": (base.gated(stack.container.name), stack.container.name)
            if inside and stack.container
            else None,
            "container_text": inside,
            "model": model,
            "whole": base.gated(stack.whole),
            "heads": heads,
            "mappings": mappings,
            "restored": self._restored(mappings),
        }

    def _model_type(self) -> str:
        """The gated `model_type`: the base's with the gate's name before it, or that of a file with a name of its own."""
        base = self.base
        usual = base.gated_name == f"{base.kind.family}{base.name}"
        return f"{base.kind.family}{self.config.model_type}" if usual else base.gated_name

    def _model(self) -> ModelPart:
        members = {**self.gated, **self._renamed_methods(self.stack.model)}
        plan = gate_plan(self.base, self.stack, self.declaration)
        part = model_part(self.base, self.stack, self.outputs[self.stack.output].name, plan)
        return _renamed(part, members)

    def _heads(self) -> tuple[ModelPart, ...]:
        heads = [
            head_part(self.base, self.stack, head, self.outputs[head.output].name, self._example(head.node))
            for head in self.stack.heads
        ]
        return tuple(_renamed(head, self.gated) for head in heads)

    def _example(self, node: ast.ClassDef) -> str:
        """What ends the docstring of a head; upstream it runs from its first line on."""
        example = self.base.kind.example
        if not self.is_upstream:
            return example
        named = checkpoints(self.base, self._written_configs(), self.declaration.classes)
        return complete(example, self.base.gated(node.name), checkpoint_of(node.name, named, self.text_checkpoint))

    def _written_configs(self) -> list[str]:
        """What the base calls the configurations that are written, in its order."""
        outputs = [each.parent for each in self.outputs.values()]
        others = other_configs(self.base, [*self._roots(), self.stack.pretrained.name, *outputs], self.config.name)
        written = {self.config.name, *others, *(each.parent for each in self.declaration.classes)}
        return [name for name in self.base.configuration.classes if name in written]

    def _exported(self, parts: Sequence[ModelPart | Pretrained]) -> list[str]:
        """The models of `__all__`; upstream without a network within another model, and a decoder that the base hides."""
        if not self.is_upstream:
            return [each.name for each in parts]
        theirs = exported(self.base.modeling.tree)
        names = [each.name for each in parts]
        hidden = {
            each.name
            for each in parts
            if each.name.endswith("Decoder")
            and each.parent not in theirs
            and each.name.removesuffix("Decoder") + "Model" in names
        }
        return [name for name in names if name not in hidden and not name.endswith("Transformer")]

    def _recorded(self) -> tuple[dict[str, str], bool]:
        """`_can_record_outputs` of the base and of the gate, and whether the base model has it."""
        module = self.base.modeling
        own = self.roles.recorded()
        for owner in (self.stack.model, self.stack.pretrained):
            value = module.attribute(owner, "_can_record_outputs")
            if isinstance(value, ast.Dict):
                pairs = zip(value.keys, value.values)
                entries = {ast.unparse(key): _words(ast.unparse(each), self.gated) for key, each in pairs if key}
                return entries | own, owner is self.stack.model
        return own, False

    def _pretrained(self) -> Pretrained:
        node = self.stack.pretrained
        return self.roles.pretrained(node, _kept_prefix(self.base, node), _initializes_models(self.base, node))

    def _stubs(
        self, texts: list[str], parts: set[str], with_container: bool
    ) -> tuple[list[tuple[str, str]], list[str]]:
        """The classes of the base that the delta names and does not define otherwise, and those that stand later."""
        base, stack, module = self.base, self.stack, self.base.modeling
        defined = parts | {each.name for each in self.layers} | {each.name for each in self.written_outputs}
        if with_container and stack.container:
            defined.add(base.gated(stack.container.name))
        found = _named(base, texts, self.gated, defined)
        models = [parent for _, parent in found if is_model(module, parent)]
        known = [*self._roots(), stack.pretrained.name, *(each.parent for each in self.outputs.values())]
        later = [*circular(base, stack.pretrained.name, [*known, *models]), *models]
        check_imports(module, reached(module, [*known, *later]))
        return [(name, parent) for name, parent in found if parent not in later], later

    def _roots(self) -> list[str]:
        heads = (head.node.name for head in self.stack.heads)
        return [self.stack.model.name, *heads, *(each.parent for each in self.layers)]

    def _configs(self, later: list[str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Other configurations that come along: those that the gated one names itself, and the rest."""
        base, names = self.base, self.gated
        known = [*self._roots(), self.stack.pretrained.name, *(each.parent for each in self.outputs.values()), *later]
        found = [each for each in other_configs(base, known, self.config.name) if each in names]
        inner = reached(base.configuration, [self.config.name])
        found += self._parts(found) if self.is_upstream else []
        stubs = [(names[name], name) for name in found]
        return [each for each in stubs if each[1] in inner], [each for each in stubs if each[1] not in inner]

    def _parts(self, found: Collection[str]) -> list[str]:
        """Configurations that those written are made of and whose checkpoints would be renamed, came they along."""
        classes = self.base.configuration.classes
        written = {self.config.name, *found, *(each.parent or "" for each in self.declaration.classes)}
        named = {name for each in written & set(classes) for name in names_in(classes[each])}
        return [
            name
            for name, node in classes.items()
            if name in named - written and name in self.gated and named_checkpoint(node.decorator_list)
        ]

    def _marked(self) -> dict[str, list[str]]:
        """The decorators of classes that name a checkpoint: inherited, the names in it would be replaced."""
        modules = (self.base.configuration, self.base.modeling) if self.is_upstream else ()
        return {
            self.gated[name]: [ast.unparse(each) for each in node.decorator_list]
            for module in modules
            for name, node in module.classes.items()
            if name in self.gated and named_checkpoint(node.decorator_list)
        }

    def _mappings(self, parts: Iterable[ModelPart]) -> list[tuple[str, str]]:
        """The gated names that need the checkpoint conversions of the base, each with the base's name."""
        known = mapped_names(self.base.conversions)
        config = self.config
        named = [(self._model_type(), config.model_type)]
        named += [(part.name, part.parent) for part in parts]
        return [(ours, theirs) for ours, theirs in named if theirs in known]

    def _restored(self, mappings: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Names of the gate's weights that conversions of the base would change, and what they are to be again."""
        conversions = self.base.conversions
        return sorted(
            {
                pair
                for _, theirs in mappings
                for weight in gate_weights(self.base, self.stack, self.declaration)
                for pair in gate_restored(conversions, theirs, weight)
            }
        )

    def _renamed_methods(self, node: ast.ClassDef) -> dict[str, str]:
        """The methods of a class that the converter renames, since they are named after the model."""
        own = [each.name for each in node.body if isinstance(each, ast.FunctionDef)]
        return {name: new for name in own if (new := self.base.renaming.word(name)) != name}


def _named(base: Base, texts: list[str], names: Mapping[str, str], defined: set[str]) -> list[tuple[str, str]]:
    """The classes of the base that texts name: (gated name, base's name), in the base's order."""
    old = {new: name for name, new in names.items() if name in base.modeling.classes}
    words = {word for text in texts for word in re.findall(r"\w+", text)}
    used = words | {names[word] for word in words & set(base.modeling.classes) & set(names)}
    order = {name: place for place, name in enumerate(base.modeling.classes)}
    found = sorted((name for name in used & set(old) if name not in defined), key=lambda name: order[old[name]])
    return [(name, old[name]) for name in found]


def is_model(module: Module, name: str) -> bool:
    """Whether a class of a base derives from its PreTrainedModel, and so has to stand behind it."""
    ancestors = module.lineage(module.classes[name])[1:]
    return any(each.name.endswith("PreTrainedModel") for each in ancestors)


def _initializes_models(base: Base, node: ast.ClassDef) -> bool:
    """Whether `_init_weights` does something for models, which have no weights of their own."""
    module = base.modeling
    initialize = module.own_method(node, "_init_weights")
    named = [module.classes[name] for name in names_in(initialize) & set(module.classes)] if initialize else []
    return any(node in module.lineage(each)[1:] for each in named)


def _kept_prefix(base: Base, node: ast.ClassDef) -> str | None:
    """`base_model_prefix`, where the converter would rename it and so lose the weights of checkpoints."""
    prefix = base.modeling.attribute(node, "base_model_prefix")
    value = string(prefix)
    return value if value and base.renaming.word(value) != value else None


def _renamed(part: ModelPart, names: Mapping[str, str]) -> ModelPart:
    return replace(part, text=rename_members(part.text, names), members=rename_members(part.members, names))


def _words(text: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\w+", lambda word: names.get(word[0], word[0]), text)
