"""What the classes of models say of themselves: what a forward returns, and which configuration they are made from."""

from __future__ import annotations

import ast

from syntax.modules import Module
from syntax.queries import assigns, names_in


def returned(module: Module, owner: ast.ClassDef) -> str:
    """The class of the output that a forward returns, by its last `return X(...)`, else by its annotation.

    Raises ConversionError: `no-forward` where the class has none, `no-output-class` where neither says it.
    """
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


def config_of(module: Module, model: ast.ClassDef) -> str:
    """The configuration class of the base model.

    Raises ConversionError (`no-config-class`) where the text does not say which.
    """
    init = module.own_method(model, "__init__")
    found = annotated_config(module, model)
    if found is None:
        message = f"{model.name} does not say which configuration it takes"
        raise module.refuse(init or model, "no-config-class", message, "write this delta by hand")
    return found


def annotated_config(module: Module, node: ast.ClassDef) -> str | None:
    """The configuration class that a model class takes: by its own annotation, its constructor's, or an ancestor's."""
    own, *ancestors = module.lineage(node)
    init = module.own_method(own, "__init__")
    taken = init.args.args[1].annotation if init and len(init.args.args) > 1 else None
    found = [_class_annotation(own), taken, *map(_class_annotation, ancestors)]
    return next((each.id for each in found if isinstance(each, ast.Name) and each.id.endswith("Config")), None)


def _class_annotation(node: ast.ClassDef) -> ast.expr | None:
    """What a class says of itself: `config: BertConfig`, or as older ones do, `config_class = BertConfig`."""
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and assigns(each, "config"):
            return each.annotation
        if isinstance(each, ast.Assign) and assigns(each, "config_class"):
            return each.value
    return None
