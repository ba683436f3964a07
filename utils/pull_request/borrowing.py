"""Classes that a modular file takes over whole from the gated model that holds the gate: text to text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from facts.values import base_name

from pull_request.spans import drop, insert_above, statement_span, with_imports


_HOME = re.compile(r"^from \.\.(?P<name>\w+_gate_\w+)\.modeling_(?P=name) import", re.MULTILINE)
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


def homes(modular: str) -> list[str]:
    """The gated models whose classes a modular file imports, as it imports them."""
    return list(dict.fromkeys(found["name"] for found in _HOME.finditer(modular)))


def loans(modular: str, modeling: str, home: str, of_home: str) -> list[Loan]:
    """The classes that are spelt out in a modular file and come out as those of another gated model, renamed.

    Args:
        modeling: what is made of the modular file.
        home: the other model, "quality_gate_llama"; `of_home` is the text of its modeling file.
    """
    made, theirs = definitions(modeling), definitions(of_home)
    ours, prefix = _prefix(made), _prefix(theirs)
    found = []
    for node in _spelt_out(modular):
        source = node.name.replace(ours, prefix, 1)
        if ours and prefix and source in theirs and made.get(node.name) == theirs[source].replace(prefix, ours):
            found.append(Loan(node.name, source, f"..{home}.modeling_{home}"))
    return found


def borrowed(modular: str, taken: list[Loan]) -> str:
    """The modular file that inherits these classes instead of spelling them out; ruff removes what nothing uses."""
    for loan in taken:
        node = next(each for each in _spelt_out(modular) if each.name == loan.name)
        span = statement_span(modular, node)
        modular = insert_above(drop(modular, [span]), span.first, f"\nclass {loan.name}({loan.source}):\n    pass")
    return with_imports(modular, {f"from {loan.module} import {loan.source}\n" for loan in taken})


def with_stubs(modular: str, names: list[str], base: str) -> str:
    """The modular file that names more classes of its base, so that none of them comes along from elsewhere.

    Args:
        names: of the gated classes; they stand above the first class that others are built on.
        base: the folder of the base, "qwen3".
    """
    place = next(
        each for each in ast.parse(modular).body if isinstance(each, ast.ClassDef) and each.name.endswith(BUILT_ON)
    )
    first = min([place.lineno, *(each.lineno for each in place.decorator_list)])
    stubs = "".join(f"class {name}({base_name(name)}):\n    pass\n\n\n" for name in names)
    modular = insert_above(modular, first, stubs)
    return with_imports(modular, {f"from ..{base}.modeling_{base} import {base_name(name)}\n" for name in names})


def definitions(text: str) -> dict[str, str]:
    """Every class and function of a text, without the comments above it."""
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    lines = text.splitlines()
    first = {node.name: min([node.lineno, *(each.lineno for each in node.decorator_list)]) for node in nodes}
    return {node.name: "\n".join(lines[first[node.name] - 1 : node.end_lineno]) for node in nodes}


def _spelt_out(modular: str) -> Iterator[ast.ClassDef]:
    for node in ast.parse(modular).body:
        if isinstance(node, ast.ClassDef) and not (len(node.body) == 1 and isinstance(node.body[0], ast.Pass)):
            yield node


def _prefix(made: Mapping[str, str]) -> str:
    """What the names of a model's classes begin with: "QualityGateLlama"."""
    return next((name.removesuffix("PreTrainedModel") for name in made if name.endswith("PreTrainedModel")), "")
