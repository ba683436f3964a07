"""The configuration class of a base, as far as a delta repeats it."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from syntax.queries import string, strings

from weave.base import Base
from weave.docstrings import arguments_of


_CACHES = ("past_key_values", "cache")  # what releases call it; the first where a forward takes none


@dataclass(frozen=True)
class Config:
    """What a delta has to know of a base's configuration."""

    name: str
    model_type: str
    decorators: tuple[str, ...]
    documentation: str  # of the base's own fields, at the left margin
    ignored: tuple[str, ...]  # `keys_to_ignore_at_inference`, with what the gates add to outputs
    returns: bool  # whether `__post_init__` ends in a return, behind which nothing can be added
    initializes: bool  # whether it has one


def read_config(base: Base, name: str, model: ast.ClassDef) -> Config:
    """Read the class off the configuration module, for a base model. Raises ConversionError (`no-config-class`)."""
    module = base.configuration
    node = module.classes.get(name)
    model_type = string(module.attribute(node, "model_type")) if node else None
    if node is None or model_type is None:
        message = f"no class {name} with a model_type is defined here"
        raise module.refuse(node, "no-config-class", message, "write this delta by hand")
    post_init = module.own_method(node, "__post_init__")
    ignored = strings(module.attribute(node, "keys_to_ignore_at_inference"))
    return Config(
        name,
        model_type,
        tuple(ast.unparse(each) for each in node.decorator_list),
        arguments_of(ast.get_docstring(node) or ""),
        tuple(dict.fromkeys([*(ignored or [_cache(base, model)]), *base.kind.output_fields])),
        post_init is not None and isinstance(post_init.body[-1], ast.Return),
        post_init is not None,
    )


def _cache(base: Base, model: ast.ClassDef) -> str:
    """The name under which the base model takes and returns its cache."""
    forward = base.modeling.method(model, "forward")
    taken = {each.arg for each in [*forward.args.args, *forward.args.kwonlyargs]} if forward else set()
    return next((name for name in _CACHES if name in taken), _CACHES[0])
