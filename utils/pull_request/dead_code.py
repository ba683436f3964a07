"""A modular file again, without what its first conversion shows to be dead."""

from __future__ import annotations

import ast

from syntax.edits import Edit
from syntax.modules import Module, module_of
from syntax.queries import annotated, assigns, behind_docstring, bound_names, names_in, strings, value_of
from syntax.statements import above, class_of, edited, replaced, without

from pull_request.initialisation import initialised
from pull_request.reachable import SPLIT, dead_classes


def without_dead_code(modular: str, modeling: str, configuration: str) -> str:
    """The modular file without what its first conversion shows to be dead; every configuration that is left is exported.

    Args:
        modular: as it was converted.
        modeling: the modeling file that came of it; `configuration`: the other one.
    """
    live = without_dead_modules(modular, modeling)
    return export_configs(without_dead_configs(live, modeling, configuration))


def without_dead_modules(modular: str, modeling: str) -> str:
    """The modular file whose models are initialised, and split among devices, by what they are made of.

    A text model of several parts inherits from their abstract model an `_init_weights` that asks for modules of the
    others, which drags these along, and a list of what is never split that names them. The method is written out
    without the branches of modules that no model has, the list without their names.

    Args:
        modular: as it was converted.
        modeling: the modeling file that came of it.
    """
    made, module = module_of(modeling), module_of(modular)
    dead = dead_classes(made.tree)
    for name in made.classes:
        here = class_of(module, name) if name.endswith("PreTrainedModel") else None
        if here is not None:
            edits = [*initialised(module, made, here, dead), *_split(made, here, dead)]
            module = edited(module, edits)
    return edited(module, _defined_for_nothing(module, dead)).source.text


def _defined_for_nothing(module: Module, dead: set[str]) -> list[Edit]:
    """The edits that leave out dead classes that the modular file defines itself, so that a test of their kind has a name."""
    gone = [node for node in module.classes.values() if node.name in dead]
    names = names_in(*(node for node in module.tree.body if node not in gone))
    return [without(module, node) for node in gone if node.name not in names]


def _split(made: Module, here: ast.ClassDef, dead: set[str]) -> list[Edit]:
    """The edit that gives a class a list of its own where the inherited one names what is not there."""
    listed = value_of(made.classes[here.name].body, SPLIT)
    if not isinstance(listed, ast.List) or value_of(here.body, SPLIT) is not None:
        return []
    there = {name for node in made.tree.body for name in bound_names(node)} - dead
    kept = [name for name in strings(listed) if name in there]
    if kept == list(strings(listed)):
        return []
    names = ", ".join(f'"{name}"' for name in kept)
    return [above(_opening(here), f"    {SPLIT} = [{names}]")]


def without_dead_configs(modular: str, modeling: str, configuration: str) -> str:
    """The modular file without configurations of parts that have no model here, where no live class names one.

    The abstract model, whose configuration is that of all parts, gets the one that is exported.
    """
    module = module_of(modular)
    named = [name for name in module.exported if name.endswith("Config")]
    shells = [node for name, node in module.classes.items() if name.endswith("Config") and name not in named]
    abstract = [node for name, node in module.classes.items() if name.endswith("PreTrainedModel")]
    if not shells or len(named) != 1 or not abstract:
        return modular
    needed = _needed(module_of(modeling), module_of(configuration), named)
    if any(node.name in needed for node in shells):
        return modular
    edits = [without(module, node) for node in shells]
    for node in abstract:
        own = [each for name, each in annotated(node).items() if name == "config"]
        edits += [*(without(module, each) for each in own), above(_opening(node), f"    config: {named[0]}\n")]
    return edited(module, edits).source.text


def _needed(modeling: Module, configuration: Module, named: list[str]) -> set[str]:
    """The names that live classes read, and the configurations that are exported."""
    dead = dead_classes(modeling.tree)
    live = [node for node in modeling.tree.body if getattr(node, "name", None) not in dead]
    parts = [each for node in live for each in _but_its_config(node)]
    return names_in(*parts, *(node for name, node in configuration.classes.items() if name in named))


def _but_its_config(node: ast.stmt) -> list[ast.stmt]:
    """The parts of a definition, without the annotation that says which configuration an abstract model has."""
    if not isinstance(node, ast.ClassDef) or not node.name.endswith("PreTrainedModel"):
        return [node] if not isinstance(node, ast.Assign) else []
    return [each for each in node.body if each is not annotated(node).get("config")]


def _opening(node: ast.ClassDef) -> ast.stmt:
    """The statement of a class that others are put above: the first behind its docstring."""
    return (behind_docstring(node) or node.body)[0]


def export_configs(modular: str) -> str:
    """`__all__` names all configurations: the repository's table has one of each model type, exported or not."""
    module = module_of(modular)
    listed = module.exported
    added = [name for name in module.classes if name.endswith("Config") and name not in listed]
    statement = next((node for node in reversed(module.tree.body) if assigns(node, "__all__")), None)
    if not added or statement is None:
        return modular
    lines = "".join(f'    "{name}",\n' for name in [*added, *listed])
    return edited(module, [replaced(statement, f"__all__ = [\n{lines}]")]).source.text
