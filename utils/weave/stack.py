"""From the causal language model down: its base model, the layers in it, and the head classes around it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from syntax.modules import Function, Module
from syntax.queries import assigned_calls, callee, calls, is_self, last_name, names_in

from weave.base import CAUSAL, OLDER, Base
from weave.classes import annotated_config, config_of, returned
from weave.limits import check_makes_models, check_runs, left_out


_GENERIC = {
    "GenericForSequenceClassification": "SequenceClassifierOutputWithPast",
    "GenericForTokenClassification": "TokenClassifierOutput",
    "GenericForQuestionAnswering": "QuestionAnsweringModelOutput",
}


_OF_OTHERS = ("Encoder", "Vision", "Audio")  # models beside the language model, which read no text or write none
_PARTS = 3  # of itself a layer uses at least: attention, a feed-forward part, a norm; a block of one kind uses fewer


@dataclass(frozen=True)
class Head:
    """A class around the base model, or around another head."""

    node: ast.ClassDef
    generic: str | None  # the class of transformers.modeling_layers that it is
    output: str  # what its forward returns
    inner: str | None  # what its forward calls: "self.model", "self.model.decoder"


@dataclass(frozen=True)
class Stack:
    """The classes of a base that a gated model consists of."""

    causal: ast.ClassDef
    model: ast.ClassDef  # the PreTrainedModel that runs the layers
    output: str  # what its forward returns
    pretrained: ast.ClassDef
    container: ast.ClassDef | None  # a plain module between the base model and its layers, such as an encoder
    container_name: str | None  # the attribute that holds it
    layers_name: str  # "layers", "h", "encoder.layer": where the base model keeps its layers
    layers: tuple[ast.ClassDef, ...]  # the classes that may be in it
    layer_calls: tuple[ast.Call, ...]  # in the forward of the base model, or of the container
    config: str
    heads: tuple[Head, ...]

    @property
    def prefix(self) -> str:
        """What the names of the classes begin with: "Mistral", "AriaText"."""
        return self.causal.name.removesuffix(CAUSAL).removesuffix(OLDER)

    @property
    def whole(self) -> str:
        """The class that AutoModel makes: the base model, or a class around it without a head."""
        usual = f"{self.prefix}Model"
        return next((head.node.name for head in self.heads if head.node.name == usual), self.model.name)


def read_stack(base: Base) -> Stack:
    """Find the classes of a base. Raises ConversionError where one cannot be told from the text."""
    module = base.modeling
    causal = _causal(module)
    model, way = _runner(module, causal)
    container_name, container = _container(module, model)
    keeper = container or model
    layers_name, layers = _layers(module, keeper)
    calls = tuple(_layer_calls(module, keeper, layers_name))
    inside = [(model, container_name)] if container_name else []
    check_runs(module, model, [*way, *inside, (keeper, layers_name)], calls)
    optional = left_out(module, keeper, calls)
    config = config_of(module, model)
    path = f"{container_name}.{layers_name}" if container_name else layers_name
    return Stack(
        causal=causal,
        model=model,
        output=returned(module, model),
        pretrained=_pretrained(module, model),
        container=container,
        container_name=container_name,
        layers_name=path,
        layers=tuple(each for each in layers if each.name not in optional),
        layer_calls=calls,
        config=config,
        heads=tuple(_heads(module, causal, model, config)),
    )


def _causal(module: Module) -> ast.ClassDef:
    """The causal language model, the last of several. Raises ConversionError (`no-language-model`)."""
    for end in (CAUSAL, OLDER):
        found = [each for each in module.classes if each.endswith(end)]
        if found:
            return module.classes[found[-1]]
    message, fix = "this model has no causal language model", f"name a model with a ...{CAUSAL} or ...{OLDER} class"
    raise module.refuse(None, "no-language-model", message, fix)


def _runner(module: Module, causal: ast.ClassDef) -> tuple[ast.ClassDef, list[tuple[ast.ClassDef, str]]]:
    """The model class inside a causal language model that runs the layers, itself or in a container.

    With it, the classes on the way down to it, each with the attribute that holds the next one.
    """
    name, model = _inner(module, causal)
    way = [(causal, name)]
    while True:
        if _lists(module, model) or _container(module, model)[1]:
            return model, way
        inner = [each for each in _parts(module, model) if _is_pretrained(module, each[1])]
        inner = [each for each in inner if not any(word in each[1].name for word in _OF_OTHERS)]
        if not inner:
            check_makes_models(module, model)
            message = f"{model.name} keeps no list of layers that its forward goes through"
            raise module.refuse(model, "no-layers", message, "write this delta by hand")
        way.append((model, inner[0][0]))
        model = inner[0][1]


def _inner(module: Module, causal: ast.ClassDef) -> tuple[str, ast.ClassDef]:
    """The class of the model that a causal language model builds, and the attribute that holds it."""
    found = [part for part in _parts(module, causal) if _is_pretrained(module, part[1])]
    if found:
        return found[0]
    check_makes_models(module, causal)
    message = f"{causal.name} does not build its base model from a class of this file"
    init = module.own_method(causal, "__init__")
    raise module.refuse(init or causal, "no-base-model", message, "write this delta by hand")


def _container(module: Module, model: ast.ClassDef) -> tuple[str | None, ast.ClassDef | None]:
    """The plain module that keeps the layers of a model which does not keep them itself."""
    if _lists(module, model):
        return None, None
    for name, each in _parts(module, model):
        if not _is_pretrained(module, each) and _lists(module, each):
            return name, each
    return None, None


def _parts(module: Module, owner: ast.ClassDef) -> list[tuple[str, ast.ClassDef]]:
    """The attributes of a class that hold instances of classes of this file."""
    found = assigned_calls(module.own_method(owner, "__init__"))
    return [(name, module.classes[kind]) for name, call, _ in found if (kind := _built(call) or "") in module.classes]


def _is_pretrained(module: Module, node: ast.ClassDef) -> bool:
    return any(each.name.endswith("PreTrainedModel") for each in module.lineage(node)[1:])


def _built(call: ast.Call) -> str | None:
    """The class that a call makes an instance of: `X(...)`, `X._from_config(...)`."""
    function = call.func
    if isinstance(function, ast.Attribute) and function.attr in ("_from_config", "from_config"):
        function = function.value
    return function.id if isinstance(function, ast.Name) else None


def _pretrained(module: Module, model: ast.ClassDef) -> ast.ClassDef:
    return next(each for each in module.lineage(model)[1:] if each.name.endswith("PreTrainedModel"))


def _layers(module: Module, keeper: ast.ClassDef) -> tuple[str, tuple[ast.ClassDef, ...]]:
    """The attribute that holds the decoder layers, and the classes that may be in it."""
    name, node = _lists(module, keeper)[0]
    builders = [module.own_method(keeper, "__init__"), *_own_calls(module, keeper, node)]
    return name, tuple(_reachable(module, [node.value, *(each for each in reversed(builders) if each)]))


def _lists(module: Module, keeper: ast.ClassDef) -> list[tuple[str, ast.Assign]]:
    """The lists of modules that a forward goes through."""
    init = module.own_method(keeper, "__init__")
    iterated = _iterated(module, keeper)
    return [
        (name, node)
        for name, call, node in assigned_calls(init)
        if name in iterated and (_makes_list(call) or any(map(_returns_list, _own_calls(module, keeper, node))))
    ]


def _own_calls(module: Module, keeper: ast.ClassDef, tree: ast.AST) -> list[Function]:
    """The methods of a class that an expression of it calls: `self.get_layers()`."""
    names = [call.func.attr for call in calls(tree) if is_self(call.func)]
    return [method for name in names if (method := module.own_method(keeper, name))]


def _returns_list(method: Function) -> bool:
    returned = [node.value for node in ast.walk(method) if isinstance(node, ast.Return)]
    return any(isinstance(value, ast.Call) and _makes_list(value) for value in returned)


def _makes_list(call: ast.Call) -> bool:
    return last_name(call.func).endswith("ModuleList")


def _iterated(module: Module, model: ast.ClassDef) -> set[str]:
    """The attributes that the forward of a base model goes through in a loop."""
    forward = module.method(model, "forward")
    loops = [node for node in ast.walk(forward) if isinstance(node, ast.For)] if forward else []
    return {node.attr for loop in loops for node in filter(is_self, ast.walk(loop.iter))}


def _reachable(module: Module, trees: Iterable[ast.AST]) -> Iterator[ast.ClassDef]:
    """The layer classes that the first of these trees names that names any."""
    for tree in trees:
        found = [each for each in _classes_named(module, tree) if _is_layer(module, each)]
        if found:
            yield from found
            return


def _classes_named(module: Module, tree: ast.AST) -> Iterator[ast.ClassDef]:
    seen, waiting = set[str](), [tree]
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
    own = [each for each in ast.walk(forward) if is_self(each)] if forward else []
    return node.name.endswith(("Layer", "Block")) and len(own) >= _PARTS


def _layer_calls(module: Module, model: ast.ClassDef, layers: str) -> Iterator[ast.Call]:
    forward = module.method(model, "forward")
    for loop in ast.walk(forward) if forward else ():
        if isinstance(loop, ast.For) and any(node.attr == layers for node in filter(is_self, ast.walk(loop.iter))):
            targets = names_in(loop.target)
            for call in ast.walk(loop):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in targets:
                    yield call


def _heads(module: Module, causal: ast.ClassDef, model: ast.ClassDef, config: str) -> Iterator[Head]:
    """The classes around the base model that are made from its configuration; others are of a model around it."""
    around = {model.name}
    for node in module.classes.values():
        if node is not causal and (annotated_config(module, node) or config) != config:
            continue
        bases = [*map(last_name, node.bases)]
        generic = next((base for base in bases if base in _GENERIC), None)
        if node.name.endswith(("ForMultipleChoice", "DoubleHeadsModel")):
            continue  # several texts a sample
        if not _is_pretrained(module, node) or _pretrained(module, node) is not _pretrained(module, causal):
            continue
        inner = _inner_call(module, node, around)
        if generic:
            yield Head(node, generic, _GENERIC[generic], None)
        elif node.name.endswith("ForConditionalGeneration"):
            continue  # models around the language model
        elif inner and (own := module.own_method(node, "forward")) and own.args.vararg is None:
            around.add(node.name)
            yield Head(node, None, returned(module, node), inner)


def with_heads(base: Base, stack: Stack, names: Iterable[str]) -> Stack:
    """A stack with more heads: models around the language model, which are gated only where a delta asks for them."""
    module, known = base.modeling, {head.node.name for head in stack.heads}
    added = [module.classes[name] for name in names if name not in known]
    heads = [Head(node, None, returned(module, node), None) for node in added]
    return replace(stack, heads=(*stack.heads, *heads))


def is_head(base: Base, stack: Stack, name: str) -> bool:
    """Whether a class of the base is a model with a forward, and neither the base model nor abstract."""
    node = base.modeling.classes.get(name)
    if node is None or node in (stack.model, stack.pretrained):
        return False
    return _is_pretrained(base.modeling, node) and base.modeling.own_method(node, "forward") is not None


def _inner_call(module: Module, node: ast.ClassDef, around: set[str]) -> str | None:
    """What a head calls to run the layers; None for classes that do something else, or have an encoder besides."""
    forward, parts = module.own_method(node, "forward"), _parts(module, node)
    if forward is None or any(each.name.endswith("Encoder") and _is_pretrained(module, each) for _, each in parts):
        return None
    paths = {f"self.{name}": each for name, each in parts}
    wrapped = {f"{path}.{name}": inner for path, each in paths.items() for name, inner in _parts(module, each)}
    called = {callee(call) for call in calls(forward)}
    found = [path for path, each in (wrapped | paths).items() if each.name in around and path in called]
    return found[0] if found else None
