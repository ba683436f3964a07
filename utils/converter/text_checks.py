"""What is wrong with the outputs as Python: what does not compile, and imports that would fail."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations

from diagnostics.values import Diagnostic
from syntax.compiling import compile_problem
from syntax.source import Source

from converter.checks import Finding, Level
from converter.resolve import Missing, find_missing
from converter.values import Loader, Target


_BESIDE = re.compile(r"^from \.(\w+) import (\w+)", re.MULTILINE)


def check_texts(files: Mapping[str, str], delta: Source, target: Target, load: Loader) -> Iterator[Finding]:
    """Everything that only shows in the text of the outputs.

    Args:
        files: the outputs, file name -> text.
        delta: the modular file, whose lines findings have.
        target: the model and the form of the files.
        load: reads a module by its dotted name; None where there is none.
    """
    whole = {}
    for name, text in files.items():
        problem = compile_problem(text)
        if problem is None:
            whole[name] = text
        else:
            yield Finding(Level.ERROR, _uncompilable(name, text, problem, delta))
    yield from _check_circles(files, delta)
    for missing in find_missing(whole, delta.module, target, load) if whole == files else ():
        line, column = _place(delta.text, missing.name or missing.module.rpartition(".")[2] or missing.module)
        message, fix = _say(missing)
        yield Finding(Level.SILENT, delta.problem(line, column, "unresolved-import", message, fix))


def _check_circles(files: Mapping[str, str], delta: Source) -> Iterator[Finding]:
    """Two outputs that import from each other: neither can be imported."""
    asked = {name: dict(_BESIDE.findall(text)) for name, text in files.items()}
    for one, other in combinations(sorted(files), 2):
        there, back = asked[one].get(other.removesuffix(".py")), asked[other].get(one.removesuffix(".py"))
        if there and back:
            line, column = _place(delta.text, there)
            message = (
                f"{one} would import `{there}` from {other}, and {other} `{back}` from {one}: neither can be imported"
            )
            fix = f"write out what {one} needs of `{there}`: its value, say"
            yield Finding(Level.SILENT, delta.problem(line, column, "circular-import", message, fix))


def _uncompilable(name: str, text: str, problem: Exception, delta: Source) -> Diagnostic:
    line = getattr(problem, "lineno", None) or 1
    lines = text.split("\n")
    said = lines[min(line, len(lines)) - 1].strip()
    here = next((i for i, each in enumerate(delta.text.split("\n"), 1) if said and each.strip() == said), 1)
    why = getattr(problem, "msg", None) or "it is nested more deeply than Python can compile"
    message = f"{name} would say `{said}`: {why}"
    fix = "write the method or class out instead of merging it with its parent's"
    return delta.problem(here, 1, "invalid-output", message, fix)


def _say(missing: Missing) -> tuple[str, str]:
    if not missing.is_sibling:
        what = f"imports `{missing.name}` from {missing.module}, which defines no such name"
        if not missing.name:
            what = f"imports from {missing.module}, and there is no such module"
        return f"{missing.file} {what}", "import it from where this transformers has it, or define it in this file"
    if missing.name:
        message = f"{missing.file} imports `{missing.name}` from {missing.module}, which does not define it"
        return message, f"define `{missing.name}` in this file; capitals count"
    message = f"{missing.file} imports from {missing.module}, which is not made: no class of that kind is defined here"
    return message, "define the class that is missing (a configuration, say), derived from the base's"


def _place(text: str, name: str) -> tuple[int, int]:
    found = re.search(rf"\b{re.escape(name)}\b", text)
    if found is None:
        return 1, 1
    return text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
