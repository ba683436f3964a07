"""From the causal language model down: its base model, the layers in it, and the head classes around it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from scaffold.find import Base
from scaffold.modules import Function, Module, assigned_calls, is_self, names_in


_GENERIC = {
    "GenericForSequenceClassification": "SequenceClassifierOutputWithPast",
    "GenericForTokenClassification": "TokenClassifierOutput",
    "GenericForQuestionAnswering": "QuestionAnsweringModelOutput",
}


@dataclass(frozen=True)
class Head:
    """A class that wraps the base model."""

    node: ast.ClassDef
    generic: str | None  # the class of transformers.modeling_layers that it is
    output: str  # what its forward returns


@dataclass(frozen=True)
class Stack:
    """The classes of a base that a gated model consists of."""

    causal: ast.ClassDef
    model: ast.ClassDef
    output: str  # what the base model's forward returns
    pretrained: ast.ClassDef
    layers_name: str  # "layers", "h": where the base model keeps its layers
    layers: tuple[ast.ClassDef, ...]  # the classes that may be in it
    layer_calls: tuple[ast.Call, ...]  # in the forward of the base model
    config: str
    heads: tuple[Head, ...]

    @property
    def prefix(self) -> str:
        """What the names of the classes begin with: "Mistral", "AriaText"."""
        return self.causal.name.removesuffix("ForCausalLM")


def read_stack(base: Base) -> Stack:
    """Find the classes of a base. Raises ConversionError where one cannot be told from the text."""
    module = base.modeling
    causal = [node for name, node in module.classes.items() if name.endswith("ForCausalLM")][-1]
    _, model = _inner(module, causal)
    pretrained = _pretrained(module, model)
    layers_name, layers = _layers(module, model)
    calls = tuple(_layer_calls(module, model, layers_name))
    config = _config(module, model)
    heads = tuple(_heads(module, causal, model, config))
    return Stack(
        causal,
        model,
        _returned(module, model),
        pretrained,
        layers_name,
        layers,
        calls,
        config,
        heads,
    )


def inner_name(module: Module, head: ast.ClassDef, model: str) -> str | None:
    """The attribute by which a head keeps the base model."""
    found = assigned_calls(module.own_method(head, "__init__"))
    return next((name for name, call, _ in found if _built(call) == model), None)


def _inner(module: Module, causal: ast.ClassDef) -> tuple[str, ast.ClassDef]:
    """The attribute and the class of the base model inside a causal language model."""
    init = module.own_method(causal, "__init__")
    found = [(name, module.classes.get(_built(call) or ""), call) for name, call, _ in assigned_calls(init)]
    for name, model, _ in found:
        if model and any(base.name.endswith("PreTrainedModel") for base in module.lineage(model)[1:]):
            return name, model
    message = f"{causal.name} does not build its base model from a class of this file"
    raise module.refuse(init or causal, "no-base-model", message, "write this delta by hand")


def _built(call: ast.Call) -> str | None:
    """The class that a call makes an instance of: `X(...)`, `X._from_config(...)`."""
    function = call.func
    if isinstance(function, ast.Attribute) and function.attr in ("_from_config", "from_config"):
        function = function.value
    return function.id if isinstance(function, ast.Name) else None


def _pretrained(module: Module, model: ast.ClassDef) -> ast.ClassDef:
    return next(each for each in module.lineage(model)[1:] if each.name.endswith("PreTrainedModel"))


def _layers(module: Module, model: ast.ClassDef) -> tuple[str, tuple[ast.ClassDef, ...]]:
    """The attribute that holds the decoder layers, and the classes that may be in it."""
    init = module.own_method(model, "__init__")
    lists = [
        (name, node)
        for name, call, node in assigned_calls(init)
        if ast.unparse(call.func).endswith("ModuleList") and name in _iterated(module, model)
    ]
    if not lists:
        message = f"{model.name} keeps no list of layers that its forward goes through"
        raise module.refuse(model, "no-layers", message, "write this delta by hand")
    name, node = lists[0]
    return name, tuple(_reachable(module, init, node.value))


def _iterated(module: Module, model: ast.ClassDef) -> set[str]:
    """The attributes that the forward of a base model goes through in a loop."""
    forward = module.method(model, "forward")
    loops = [node for node in ast.walk(forward) if isinstance(node, ast.For)] if forward else []
    return {each.attr for loop in loops for each in ast.walk(loop.iter) if is_self(each)}


def _reachable(module: Module, init: Function, value: ast.expr) -> Iterator[ast.ClassDef]:
    """The layer classes that an expression names, or that the method names where the expression names none."""
    for tree in (value, init):
        found = [each for each in _classes_named(module, tree) if _is_layer(module, each)]
        if found:
            yield from found
            return


def _classes_named(module: Module, tree: ast.AST) -> Iterator[ast.ClassDef]:
    seen, waiting = set(), [tree]
    for each in waiting:  # grows while it is walked: tables of layer classes stand at module level
        for name in sorted(names_in(each) - seen, key=lambda one: getattr(module.definitions.get(one), "lineno", 0)):
            seen.add(name)
            definition = module.definitions.get(name)
            if isinstance(definition, ast.ClassDef):
                yield definition
            elif isinstance(definition, ast.Assign):
                waiting.append(definition.value)


def _is_layer(module: Module, node: ast.ClassDef) -> bool:
    forward = module.method(node, "forward")
    text = ast.unparse(forward) if forward else ""
    return bool(re.search(r"(Layer|Block)$", node.name)) and text.count("self.") > 2


def _layer_calls(module: Module, model: ast.ClassDef, layers: str) -> Iterator[ast.Call]:
    forward = module.method(model, "forward")
    for loop in ast.walk(forward):
        if isinstance(loop, ast.For) and any(is_self(each) and each.attr == layers for each in ast.walk(loop.iter)):
            targets = names_in(loop.target)
            for call in ast.walk(loop):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in targets:
                    yield call


def _heads(module: Module, causal: ast.ClassDef, model: ast.ClassDef, config: str) -> Iterator[Head]:
    """The heads that are made from the configuration of the base model; others are of a model around it."""
    for node in module.classes.values():
        if node is not causal and (_annotated_config(module, node) or config) != config:
            continue
        bases = [ast.unparse(base) for base in node.bases]
        generic = next((base for base in bases if base in _GENERIC), None)
        pretrained = any(each.name.endswith("PreTrainedModel") for each in module.lineage(node)[1:])
        if generic and pretrained and _pretrained(module, node) is _pretrained(module, causal):
            yield Head(node, generic, _GENERIC[generic])
        elif pretrained and module.own_method(node, "forward") and inner_name(module, node, model.name):
            yield Head(node, None, _returned(module, node))


def _returned(module: Module, owner: ast.ClassDef) -> str:
    """The class of the output that a forward returns, by its last `return X(...)`, else by its annotation."""
    forward = module.method(owner, "forward")
    if forward is None:
        raise module.refuse(owner, "no-forward", f"{owner.name} has no forward", "write this delta by hand")
    calls = [node.value for node in ast.walk(forward) if isinstance(node, ast.Return)]
    named = [_output_name(call) for call in calls] + [_output_name(forward.returns)]
    found = next((name for name in reversed(named[:-1]) if name), None) or named[-1]
    if found is None:
        message = f"the class of the output of {owner.name}.forward cannot be told"
        raise module.refuse(forward, "no-output-class", message, "write this delta by hand")
    return found


def _output_name(node: ast.expr | None) -> str | None:
    node = node.func if isinstance(node, ast.Call) else node
    names = names_in(node) if node is not None else ()
    return next((name for name in sorted(names) if "Output" in name), None)


def _config(module: Module, model: ast.ClassDef) -> str:
    """The configuration class of the base model."""
    init = module.own_method(model, "__init__")
    found = _annotated_config(module, model)
    if found is None:
        message = f"{model.name} does not say which configuration it takes"
        raise module.refuse(init or model, "no-config-class", message, "write this delta by hand")
    return found


def _annotated_config(module: Module, node: ast.ClassDef) -> str | None:
    """The configuration class that a model class takes: by its own annotation, its constructor's, or an ancestor's."""
    own, *ancestors = module.lineage(node)
    init = module.own_method(own, "__init__")
    taken = init.args.args[1].annotation if init and len(init.args.args) > 1 else None
    found = [_class_annotation(own), taken, *map(_class_annotation, ancestors)]
    return next((each.id for each in found if isinstance(each, ast.Name) and each.id.endswith("Config")), None)


def _class_annotation(node: ast.ClassDef) -> ast.expr | None:
    annotated = (each for each in node.body if isinstance(each, ast.AnnAssign))
    return next((each.annotation for each in annotated if ast.unparse(each.target) == "config"), None)
