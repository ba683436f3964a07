"""What a delta says of the base model and of each head: decorators, documentation, and forwards that hand on more."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from syntax.modules import Function, Module
from syntax.queries import callee, decorators, defined_names, dotted, same, string
from syntax.queries import calls as calls_in
from syntax.statements import members_past_super, text_of
from syntax.trees import function_in

from weave.base import Base
from weave.docstrings import split_example
from weave.documented import DOCUMENTED, documented
from weave.form import Form
from weave.forwarding import (
    add_argument,
    add_rest,
    asks,
    dedent_function,
    docstring_of,
    has_rest,
    indent_function,
    own_tuples,
    with_docstring,
    without_tuples,
)
from weave.forwards import calls_of, coefficient_of, forward_of, mentions, rest_of
from weave.gate import Argument
from weave.kinds import MAKES_TUPLES
from weave.signatures import header, inputs_of, returned_of, spelled_out, with_inputs
from weave.stack import Head, Stack


_RENAMES = "deprecate_kwarg("
_PLANS = ("base_model_tp_plan", "base_model_ep_plan")  # of tensors, of experts


@dataclass(frozen=True)
class ModelPart:
    """The base model or a head in a delta."""

    name: str
    parent: str
    output: str  # the gated output class
    generic: str | None
    decorators: tuple[str, ...]
    documentation: str  # of the arguments of its forward, at the left margin
    text: str  # the forward written out, where it has to hand on more than it does; else ""
    prefix: str | None  # the name of the base model in it, where that is not what checkpoints say
    plan: str = ""  # the base model's `_tp_plan`, where it has one
    members: str = ""  # other members written out, since the base model's name in them would be renamed
    example: str = ""  # at the end of the docstring of a head's forward
    coefficient: str = ""  # the attribute that weighs the load balancing loss, where it has another name than usual
    inputs: str = ""  # besides its base's, ", *, name: type = default"; where the forward is written out, ""
    returns: str = ""  # what it is annotated to return instead, where it is not written out


def model_part(base: Base, stack: Stack, output: str, gates: Mapping[str, str] | None = None) -> ModelPart:
    """The base model, which asks its layers for scores.

    Args:
        base, stack, output: the model, its classes, and the name of its gated output class.
        gates: what these add to its plan; None: as their kind says.
    """
    module, node = base.modeling, stack.model
    forward = forward_of(module, node)
    decorators = tuple(ast.unparse(each) for each in forward.decorator_list)
    callees = {callee(call) for call in stack.layer_calls}
    if stack.container is not None:
        callees = {f"self.{stack.container_name}"}
    text = handing_on(base, stack, forward, callees)
    if not any("capture_outputs" in each for each in decorators):
        decorators = ("capture_outputs", *decorators)
        text = text or dedent_function(module, forward)
    inputs, returned = inputs_of(base.kind, "Model", forward), returned_of(base.kind, output)
    text = spelled_out(without_tuples(text), inputs, returned) if text else ""
    part = ModelPart(
        base.gated(node.name),
        node.name,
        output,
        None,
        outermost(base.kind.decorators("Model", output), decorators),
        "",
        text,
        None,
        plan=_plan(base, stack, base.kind.plan if gates is None else gates),
        **header(inputs, returned),
    )
    said = _own_documentation(module, node)
    if base.kind.form is Form.UPSTREAM:
        part = _documented_model(base, part, said)
    else:
        said = docstring_of(part.text) or said
        part = _with_documentation(part, with_inputs(said, base.kind, inputs), said)
    return replace(part, text=indent_function(part.text) if part.text else "")


def _with_documentation(part: ModelPart, documentation: str, said: str) -> ModelPart:
    """A base model with another documentation than what is said already."""
    documentation = documentation if documentation != said else ""
    end = "" if documentation.endswith("```") else "\n"
    text = with_docstring(part.text, documentation + end) if part.text and documentation else part.text
    return replace(part, documentation=documentation, text=text)


def _documented_model(base: Base, part: ModelPart, said: str) -> ModelPart:
    """The base model with a docstring where its base's has entries, or where it names what only the gates add."""
    asked: list[Argument] = []
    if part.text:
        function = function_in(part.text)
        names = [each.arg for each in function.args.args]
        asked = [each for each in base.kind.gate.asks if each.name in names]
        said = ast.get_docstring(function) or said
    decorators, documentation = documented(part.decorators, said, base.kind, asked, base.described, replaces=True)
    return _with_documentation(replace(part, decorators=tuple(decorators)), documentation, said)


def _own_documentation(module: Module, node: ast.ClassDef) -> str:
    """The docstring of the forward that a class itself defines."""
    own = module.own_method(node, "forward")
    return ast.get_docstring(own) or "" if own else ""


def container_text(base: Base, stack: Stack) -> str:
    """The forward of a container that does not hand on what layers are asked; empty where it does."""
    if stack.container is None:
        return ""
    forward = forward_of(base.modeling, stack.container)
    text = handing_on(base, stack, forward, {callee(call) for call in stack.layer_calls})
    return indent_function(text) if text else ""


def handing_on(base: Base, stack: Stack, forward: Function, callees: set[str]) -> str:
    """A forward with the question of the gates handed on to what it calls; empty where it hands on `**kwargs`.

    Args:
        base, stack: the model, and its classes.
        forward, callees: the forward, and what of its calls are to be asked: "self.model".
    """
    calls = [call for called in callees for call in calls_of(forward, called)]
    if forward.args.kwarg and all(has_rest(call) for call in calls):
        return ""
    asked = base.kind.asked(base.prefix(stack.causal.name))
    text = asks(dedent_function(base.modeling, forward), asked, is_documented(forward))
    for each in asked:
        text = add_argument(text, callees, f"{each.name}={each.name}")
    return add_rest(text)


def outermost(ours: Sequence[str], theirs: Sequence[str]) -> tuple[str, ...]:
    """The decorators of a forward: those of the base that rename keywords come first, then the gate's, then the rest.

    A keyword by its old name is then a new one before the gate's decorators read it.
    """
    renaming = [each for each in theirs if each.startswith(_RENAMES)]
    return (*renaming, *ours, *(each for each in theirs if each not in renaming))


def _tuples(base: Base, forward: Function) -> list[str]:
    """The decorator that returns tuples where callers ask for them, as this forward does; none where the gate's own does.

    It goes outside of the gate's, so that these are always given an output.
    """
    theirs = MAKES_TUPLES in decorators(forward) or any(own_tuples(forward))
    return [MAKES_TUPLES] if theirs and not base.kind.makes_tuples("ForCausalLM") else []


def is_documented(forward: Function) -> bool:
    """Whether transformers checks that every argument of a forward is documented."""
    return DOCUMENTED in decorators(forward)


def _plan(base: Base, stack: Stack, gates: Mapping[str, str]) -> str:
    """`_tp_plan` with the gates; "" where the base has no plan: it would be no more split."""
    plan = base.modeling.attribute(stack.model, "_tp_plan")
    configs = base.configuration.classes.values()
    if plan is None and not any(base.configuration.attribute(each, name) for each in configs for name in _PLANS):
        return ""
    pairs = zip(plan.keys, plan.values) if isinstance(plan, ast.Dict) else ()
    entries = [f"{ast.unparse(key)}: {ast.unparse(value)}" for key, value in pairs if key is not None]
    entries += [f'"{stack.layers_name}{path}": "{style}"' for path, style in gates.items()]
    return "{" + ", ".join(entries) + "}"


def head_part(base: Base, stack: Stack, head: Head, output: str, example: str) -> ModelPart:
    """A head, which hands on what it is asked to the base model.

    Args:
        base, stack, head, output: the model, its classes, the head, and the name of its gated output class.
        example: what ends the docstring of its forward.
    """
    part = _head(base, stack, head, output)
    if base.kind.form is Form.UPSTREAM:
        decorators, documentation = documented(part.decorators, part.documentation, base.kind, known=base.described)
        part = replace(part, decorators=tuple(decorators), documentation=documentation)
        if part.generic:
            return replace(part, text=indent_function(part.text) if part.text else "", example=example)
    if not part.text:
        return replace(part, example=example)
    said = "\n\n".join(filter(None, [part.documentation, example]))
    return replace(part, text=indent_function(with_docstring(part.text, said)), example=example)


def _head(base: Base, stack: Stack, head: Head, output: str) -> ModelPart:
    module, node = base.modeling, head.node
    name, ours = base.gated(node.name), base.kind.decorators("ForCausalLM", output)
    if head.generic:
        return _generic(base, stack, head, name, output, ours)
    forward = forward_of(module, node)
    ours = _tuples(base, forward) + ours
    inputs, returned = inputs_of(base.kind, "ForCausalLM", forward), returned_of(base.kind, output)
    decorators = [ast.unparse(each) for each in forward.decorator_list]
    if head.inner is None:  # a model around the language model, which hands on what it does not know
        return _around(base, head, name, output, ours)
    calls = calls_of(forward, head.inner)
    inner = head.inner.split(".")[1]
    text = ""
    renamed = base.renaming.word(inner) != inner
    if renamed or any(own_tuples(forward)) or not (forward.args.kwarg and all(has_rest(call) for call in calls)):
        text = add_argument(add_rest(dedent_function(module, forward)), {head.inner}, f"**{rest_of(forward)}")
    balances = any(callee(call) == "load_balancing_loss_func" for call in calls_in(forward))
    kept = [each for each in decorators if each != MAKES_TUPLES]
    if balances and base.kind.gate.balanced:
        ours.append(base.kind.gate.balanced)
    text = spelled_out(without_tuples(text), inputs, returned) if text else ""
    coefficient = coefficient_of(forward)
    return ModelPart(
        name,
        node.name,
        output,
        None,
        outermost(ours, kept),
        _documentation(base, forward, inputs),
        text,
        None,
        members=_written_out(base, stack, node, inner) if renamed else "",
        coefficient=coefficient if coefficient != "router_aux_loss_coef" else "",
        **header(inputs, returned),
    )


def _generic(base: Base, stack: Stack, head: Head, name: str, output: str, ours: list[str]) -> ModelPart:
    """A generic head, whose forward is that of a class of all models: a method with the same inputs, which it hands on."""
    generic, prefix = str(head.generic), _prefix(base, stack, head.node)
    owner = base.generic.classes.get(generic) if base.generic else None
    forward = base.generic.own_method(owner, "forward") if base.generic and owner else None
    if forward is None or not ours:
        return ModelPart(name, head.node.name, output, generic, tuple(ours), "", "", prefix)
    ours = _tuples(base, forward) + ours
    inputs, rest = inputs_of(base.kind, "ForCausalLM", forward), forward.args.kwarg
    passed = ["self", *(f"{each.arg}={each.arg}" for each in [*forward.args.args[1:], *forward.args.kwonlyargs])]
    passed += [f"**{rest.arg}"] if rest else []
    returned = f" -> {ast.unparse(forward.returns)}" if forward.returns else ""
    call = "".join(f"        {each},\n" for each in passed)
    text = f"def forward({ast.unparse(forward.args)}){returned}:\n    return {generic}.forward(\n{call}    )\n"
    text = spelled_out(text, inputs, returned_of(base.kind, output))
    renaming = [each for each in map(ast.unparse, forward.decorator_list) if each.startswith(_RENAMES)]
    said = with_inputs("", base.kind, inputs) if base.kind.form is Form.HOME else ""
    return ModelPart(name, head.node.name, output, generic, outermost(ours, renaming), said, text, prefix)


def _around(base: Base, head: Head, name: str, output: str, ours: list[str]) -> ModelPart:
    module, node = base.modeling, head.node
    forward = forward_of(module, node)
    if forward.args.kwarg is None:
        message = f"{node.name}.forward takes no `**kwargs`, so that nothing would reach the gates"
        raise module.refuse(forward, "no-head", message, "write the forward of this class in the delta")
    kept = [ast.unparse(each) for each in forward.decorator_list if dotted(each) != MAKES_TUPLES]
    inputs = inputs_of(base.kind, "ForCausalLM", forward)
    said = _documentation(base, forward, inputs)
    spelled = header(inputs, returned_of(base.kind, output))
    return ModelPart(name, node.name, output, None, outermost(ours, kept), said, "", None, **spelled)


def _written_out(base: Base, stack: Stack, node: ast.ClassDef, inner: str) -> str:
    """The members of a head but its forward that name the base model, which the converter would rename."""
    module, found = base.modeling, []
    for member in node.body:
        if not mentions(member, inner) or "forward" in defined_names(member):
            continue
        found.append(members_past_super(text_of(module, member), "__init__", base.gated(stack.pretrained.name)))
    return "\n\n".join(found)


def _prefix(base: Base, stack: Stack, node: ast.ClassDef) -> str | None:
    """The prefix of the causal language model, where a generic head has another and so finds no weight of it."""
    own = base.modeling.attribute(node, "base_model_prefix")
    usual = base.modeling.attribute(stack.pretrained, "base_model_prefix")
    return string(usual) if own is not None and usual is not None and not same(own, usual) else None


def _documentation(base: Base, forward: Function, inputs: tuple[str, ...]) -> str:
    """The lines of a docstring that describe arguments, those that the gate adds among them; upstream they come later."""
    said = split_example(ast.get_docstring(forward, clean=True) or "")[0]
    return with_inputs(said, base.kind, inputs) if base.kind.form is Form.HOME else said
