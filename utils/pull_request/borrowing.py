"""Classes that a modular file takes over whole from the gated model that holds the gate: text to text."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from facts.values import base_name
from syntax.modules import Module, module_of
from syntax.statements import above, edited, imported, instead, text_of


# What makes other classes of the base come along: taken over only where all that is made stays as it was.
BUILT_ON = ("PreTrainedModel", "Layer", "Block")


@dataclass(frozen=True, slots=True)
class Loan:
    """One class of a modular file, and the class of another gated model that it equals but for the name."""

    name: str
    source: str
    module: str  # "..quality_gate_llama.modeling_quality_gate_llama"

    @property
    def is_built_on(self) -> bool:
        """Whether other classes need it."""
        return self.name.endswith(BUILT_ON)


def loans(modular: str, modeling: str, home: str, of_home: str) -> list[Loan]:
    """The classes that are spelt out in a modular file and come out as those of another gated model, renamed.

    Args:
        modular: the text of the modular file.
        modeling: what is made of it.
        home: the other model, "quality_gate_llama".
        of_home: the text of its modeling file.
    """
    made, theirs = definitions(modeling), definitions(of_home)
    ours, prefix = _prefix(made), _prefix(theirs)
    found = []
    for node in _spelt_out(module_of(modular)):
        source = node.name.replace(ours, prefix, 1)
        if ours and prefix and source in theirs and made.get(node.name) == theirs[source].replace(prefix, ours):
            found.append(Loan(node.name, source, f"..{home}.modeling_{home}"))
    return found


def borrowed(modular: str, taken: list[Loan]) -> str:
    """The modular file that inherits these classes instead of spelling them out; ruff removes what nothing uses."""
    module = module_of(modular)
    spelt = {node.name: node for node in _spelt_out(module)}
    edits = [instead(module, spelt[each.name], f"\nclass {each.name}({each.source}):\n    pass") for each in taken]
    edits += imported(module, (f"from {each.module} import {each.source}" for each in taken))
    return edited(module, edits).source.text


def with_stubs(modular: str, names: list[str], base: str) -> str:
    """The modular file that names more classes of its base, so that none of them comes along from elsewhere.

    Args:
        names: of the gated classes; they stand above the first class that others are built on.
        base: the folder of the base, "qwen3".
    """
    module = module_of(modular)
    place = next(node for name, node in module.classes.items() if name.endswith(BUILT_ON))
    stubs = "".join(f"class {name}({base_name(name)}):\n    pass\n\n\n" for name in names)
    imports = imported(module, (f"from ..{base}.modeling_{base} import {base_name(name)}" for name in names))
    return edited(module, [above(place, stubs), *imports]).source.text


def definitions(text: str) -> dict[str, str]:
    """Every class and function of a text, without the comments above it."""
    module = module_of(text)
    nodes = [node for node in module.tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    return {node.name: text_of(module, node) for node in nodes}


def _spelt_out(module: Module) -> Iterator[ast.ClassDef]:
    """The classes of a module that say more than what they are made from."""
    for node in module.classes.values():
        if not (len(node.body) == 1 and isinstance(node.body[0], ast.Pass)):
            yield node


def _prefix(made: Mapping[str, str]) -> str:
    """What the names of a model's classes begin with: "QualityGateLlama"."""
    return next((name.removesuffix("PreTrainedModel") for name in made if name.endswith("PreTrainedModel")), "")
