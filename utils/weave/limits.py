"""What a base may do that scores cannot follow: it is refused before anything is written."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from diagnostics.errors import ConversionError
from syntax.modules import Function, Module
from syntax.queries import assigned_calls, callee, dotted, is_number, is_self, last_name, names_in
from syntax.queries import calls as calls_in

from weave.repeats import run_again


_FIX = "write this delta by hand"


@dataclass(frozen=True, slots=True)
class Sign:
    """A call in the forward of a model which shows that its rows are not the tokens of a sample."""

    is_there: Callable[[ast.Call], bool]
    why: str  # no gate can follow
    case: str  # the model that it was found in; tests/weave/test_limits.py has the call
    message: str


def _folds_codebooks(call: ast.Call) -> bool:
    """`x.reshape(-1, self.num_codebooks, ...)`"""
    match call:
        case ast.Call(func=ast.Attribute(attr="reshape"), args=[first, second, *_]):
            return is_number(first, -1) and dotted(second).startswith("self.num_codebooks")
    return False


def _joins_positions(call: ast.Call) -> bool:
    """`torch.cat((x, hidden_states), dim=1)`"""
    along = [*call.args[1:], *(word.value for word in call.keywords if word.arg == "dim")]
    if callee(call) != "torch.cat" or not call.args or not any(is_number(each, 1) for each in along):
        return False
    return any(_is_of_tokens(last_name(node)) for node in ast.walk(call.args[0]))


def _is_of_tokens(name: str) -> bool:
    """Whether something has one row for each token, by what bases call it."""
    return name == "input_ids" or "hidden_states" in name or "embedding_output" in name


SIGNS: tuple[Sign, ...] = (
    Sign(
        _folds_codebooks,
        "the rows are codebooks of one sample: several rows would have one label between them",
        "musicgen",
        "the rows of {model}'s inputs are codebooks, not samples that a quality could be known of",
    ),
    Sign(
        _joins_positions,
        "positions that are no tokens have scores as well, which no label is meant for",
        "musicgen_melody",
        "{model} sets other positions beside its tokens here, whose scores would be of no text",
    ),
)


def check_runs(
    module: Module, model: ast.ClassDef, parts: Iterable[tuple[ast.ClassDef, str]], calls: Iterable[ast.Call]
) -> None:
    """Refuse a model whose scores could not be told apart, or are not of the tokens.

    Each layer has to run once for each token of each input; layers that training drops at random do not count, and those
    that are left out for want of an image have no gate.

    Args:
        module: the base's modeling file.
        model: the language model in it.
        parts: the attributes that lead from the language model down to the layers, each with the class that runs it.
        calls: the calls that run the layers.

    Raises:
        ConversionError: `no-order` or `no-samples`, for the first problem that is found.
    """
    forward = module.method(model, "forward")
    if forward is None:
        return
    problems = [
        *(problem for owner, name in parts for problem in _repeated(module, owner, name)),
        *_partial(module, model, forward, set(calls)),
        *_foreign(module, model, forward),
        *_unmasked(module, model, forward),
    ]
    if problems:
        raise problems[0]


def left_out(module: Module, model: ast.ClassDef, calls: Iterable[ast.Call]) -> frozenset[str]:
    """The classes of layers that a forward leaves out for some inputs: of images, where there are none.

    `if idx in self.cross_attention_layers and ...: continue` leaves out what is made under the same condition.
    """
    forward, init = module.method(model, "forward"), module.own_method(model, "__init__")
    kinds = {kind for loop, _ in (_skips(forward, set(calls)) if forward else ()) for kind in _kinds(loop)}
    made = [node for node in ast.walk(init) if isinstance(node, ast.If) and kinds & _kinds(node.test)] if init else []
    names = {name for node in made for each in node.body for name in names_in(each)}
    return frozenset(names & set(module.classes))


def _kinds(tree: ast.AST) -> set[str]:
    """What the numbers of layers are looked up in: "self.cross_attention_layers"."""
    tests = [each for each in ast.walk(tree) if isinstance(each, ast.Compare) and isinstance(each.ops[0], ast.In)]
    return {dotted(each.comparators[0]) for each in tests if is_self(each.comparators[0])}


def _skips(forward: Function, calls: set[ast.Call]) -> Iterable[tuple[ast.For, ast.Continue]]:
    """The loops over layers that leave some out, other than at random in training, and where."""
    for loop in (node for node in ast.walk(forward) if isinstance(node, ast.For)):
        inside = list(ast.walk(loop))
        if calls & set(inside) and not _drops_at_random(loop):
            yield from ((loop, each) for each in inside if isinstance(each, ast.Continue))


def _drops_at_random(loop: ast.For) -> bool:
    """Whether a loop asks for the share of layers that training drops: `self.layerdrop`, `dropout < layerdrop`."""
    return any(last_name(node) == "layerdrop" for node in ast.walk(loop))


def _repeated(module: Module, owner: ast.ClassDef, name: str) -> Iterable[ConversionError]:
    forward = module.method(owner, "forward")
    place = run_again(forward, name) if forward else None
    if place is not None:
        message = f"{owner.name} runs its layers several times for a token, and its scores would be of no layer"
        yield module.refuse(place, "no-order", message, _FIX)


def _partial(
    module: Module, model: ast.ClassDef, forward: Function, calls: set[ast.Call]
) -> Iterable[ConversionError]:
    for _, skip in _skips(forward, calls) if not left_out(module, model, calls) else ():
        message = f"{model.name} leaves out layers for some inputs, and its scores could not be told apart"
        yield module.refuse(skip, "no-order", message, _FIX)


def _foreign(module: Module, model: ast.ClassDef, forward: Function) -> Iterable[ConversionError]:
    for sign in SIGNS:
        for call in filter(sign.is_there, calls_in(forward)):
            yield module.refuse(call, "no-samples", sign.message.format(model=model.name), _FIX)
    if "input_ids" not in (each.arg for each in [*forward.args.args, *forward.args.kwonlyargs]):
        message = f"{model.name} is given no tokens, and its layers may see something else: patches of them, for one"
        yield module.refuse(forward, "no-samples", message, _FIX)


def _unmasked(module: Module, model: ast.ClassDef, forward: Function) -> Iterable[ConversionError]:
    """A mask that is asked for and has no effect: `if attention_mask is not None: warn(...)`."""
    read = [each for each in ast.walk(forward) if isinstance(each, ast.Name) and each.id == "attention_mask"]
    tests = [each for node in ast.walk(forward) if isinstance(node, ast.If) for each in ast.walk(node.test)]
    if read and set(read) <= set(tests):
        message = f"{model.name} takes an attention mask and ignores it: padding would change the scores of a sample"
        yield module.refuse(read[0], "no-samples", message, _FIX)


def check_makes_models(module: Module, owner: ast.ClassDef) -> None:
    """Refuse a class that leaves it to AutoModel, and so to its configuration, whose layers it has."""
    for name, call, _ in assigned_calls(module.own_method(owner, "__init__")):
        if callee(call) == "AutoModel.from_config":
            message = f"{owner.name} has the layers of another model: `self.{name}` is what its configuration says"
            fix = "gate that model by its own name, the `model_type` of the inner configuration"
            raise module.refuse(call, "no-base-model", message, fix)


def check_imports(module: Module, definitions: Iterable[str]) -> None:
    """Refuse a base whose functions import from files beside it, which a generated file does not have."""
    for name in definitions:
        for node in ast.walk(module.definitions[name]):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                message = f"`{name}` imports `{node.module}`, a file beside it, which would not stand alone"
                raise module.refuse(node, "no-standalone", message, _FIX)
