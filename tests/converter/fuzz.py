"""Mutated deltas: each is refused, or becomes files that can be imported and that hold everything the delta says.

`PYTHONPATH=utils python tests/converter/fuzz.py [count] [first seed]` tries 700 and prints what went wrong. Deltas are
modular files of the installed transformers; the seed decides which one, and what is done to it.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import random
import re
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from building.casing import read_casing
from building.expand import Expander
from building.jobs import Job, Outcome, Task
from building.library import Library
from building.tools import SHIPPED_CONFIG
from building.workspace import find_transformers

from converter.convert import convert
from converter.values import Layout, Target


COUNT = 700
_SHORT = 9000  # characters: long deltas cost time and say nothing new
_CHUNK = 20
_AT_MARGIN = (
    "COUNT_{n} = {n}\nCOUNT_{n} += 1",
    "for each_{n} in ({n},):\n    pass",
    "if {n} > 1:\n    LIMIT_{n} = {n}",
    "TABLE_{n} = {{}}\nTABLE_{n}[{n}] = {n}",
    "{cls}.extra = {n}",
    "FIRST_{n}, SECOND_{n} = {n}, 2",
    "[LEFT_{n}, *RIGHT_{n}] = {n}, 2",
    "@print\ndef helper_{n}():\n    return {n}",
    "def helper_{n}():\n    return {n}",
    "try:\n    import nothing_{n}\nexcept ImportError:\n    nothing_{n} = None",
    "with open({n}) as file_{n}:\n    pass",
    "print({n})",
    "assert {n}",
    "A_{n} = 1; B_{n} = {n}",
    "from transformers.models.llama.modeling_llama import Nothing{n}",
    "from transformers.nowhere_{n} import Nothing",
    "from .modeling_nowhere_{n} import Nothing",
    "continue  # {n}",
    "DEEP_{n} = " + "(" * 60 + "{n}" + ")" * 60,
)
_IN_CLASS = (
    "class Inner{n}:\n    pass",
    "if {n}:\n    attribute_{n} = 1",
    "attribute_{n} = 1; other_{n} = {n}",
    "a_{n}, b_{n} = {n}, 2",
    "for each_{n} in ({n},):\n    pass",
    "def method_{n}(self):\n    return super().forward({n})",
    "def method_{n}(self):\n    self.x = {n}; return __class__",
    'def method_{n}(self):\n    """A \\\\" quote, a \\\\""" and a \\\\\\\\ {n}"""\n    return {n}',
    "def method_{n}(self): return {n}",
    "async def method_{n}(self):\n    yield {n}",
    "@property\ndef prop_{n}(self):\n    return super().prop_{n}",
    "yield_{n} = lambda self: (yield {n})",
    "nonlocal name_{n}",
    "TABLE_{n} = {{}}\nTABLE_{n}[1] = {n}",
)
_IN_METHOD = (
    "self.extra_{n} = {n}; self.more_{n} = {n}",
    "del self.nothing_{n}",
    "del [self.nothing_{n}]",
    "above_{n} = super()",
    "print({n})\nprint({n})",
    "nonlocal name_{n}",
    "super().other_{n}({n})",
    "self.a_{n}, self.b_{n} = {n}, 2",
    "self.deep_{n} = " + " + ".join(["{n}"] * 300),
    "assert __class__, {n}",
    "x_{n} = 1; del x_{n}",
)
_REPLACEABLE = ("Config", "Attention", "from ...", "super()", "self.", "__init__", '"""', "import", "return", "(", ":")


@dataclass(frozen=True)
class Mutant:
    """A delta that was changed; `inserted` are the names or numbers that what was added to it is known by."""

    seed: int
    model: str
    text: str
    strict: bool
    inserted: tuple[str, ...]


@cache
def deltas() -> list[Path]:
    """The short modular files of the installed transformers, one a folder and named after it."""
    files = sorted(Path(find_transformers(), "models").glob("*/modular_*.py"))
    named = (path for path in files if path.stem == f"modular_{path.parent.name}")
    return [path for path in named if path.stat().st_size < _SHORT]


def mutate(seed: int) -> Mutant:
    """The delta of a seed, changed once to three times."""
    chance = random.Random(seed)
    path = chance.choice(deltas())
    text = path.read_text(encoding="utf-8")
    inserted: list[str] = []
    for _ in range(chance.randint(1, 3)):
        how = chance.choice(
            (_insert, _insert, _insert, _insert, _drop_line, _swap_words, _indent, _without_all, _respell)
        )
        number = str(chance.randrange(10**7, 10**8))
        changed = how(text, number, chance)
        inserted += [number] if how is _insert and number in changed else []
        text = changed
    # Where a line was lost or a word changed, what was put in may be the text of a string by now.
    kept = tuple(number for number in inserted if number in text)
    return Mutant(seed, path.parent.name, text, seed % 4 != 0, kept)


def _insert(text: str, number: str, chance: random.Random) -> str:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return text
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = [node for each in classes for node in each.body if isinstance(node, ast.FunctionDef)]
    where, forms = chance.choice(((tree.body, _AT_MARGIN), (classes, _IN_CLASS), (methods, _IN_METHOD)))
    if not where:
        return text
    node = chance.choice(where)
    block = where if where is tree.body else node.body
    after = chance.choice(block)
    indent = " " * after.col_offset
    if after.lineno == getattr(node, "lineno", 0) and where is not tree.body:
        return text
    said = chance.choice(forms).format(n=number, cls=classes[0].name if classes else "Nothing")
    lines = text.split("\n")
    return "\n".join(
        [*lines[: after.end_lineno], *textwrap.indent(said, indent).split("\n"), *lines[after.end_lineno :]]
    )


def _drop_line(text: str, number: str, chance: random.Random) -> str:
    lines = text.split("\n")
    del lines[chance.randrange(len(lines))]
    return "\n".join(lines)


def _swap_words(text: str, number: str, chance: random.Random) -> str:
    old, new = chance.sample(_REPLACEABLE, 2)
    places = [found.start() for found in re.finditer(re.escape(old), text)]
    if not places:
        return text
    place = chance.choice(places)
    return text[:place] + new + text[place + len(old) :]


def _indent(text: str, number: str, chance: random.Random) -> str:
    width = chance.choice(("\t", "  ", "   ", "        "))
    return re.sub(r"^(?:    )+", lambda found: width * (len(found[0]) // 4), text, flags=re.MULTILINE)


def _without_all(text: str, number: str, chance: random.Random) -> str:
    return re.sub(r"^__all__ = \[[^\]]*\]\n", "", text, flags=re.MULTILINE)


def _respell(text: str, number: str, chance: random.Random) -> str:
    names = sorted(set(re.findall(r"^class (\w+)", text, re.MULTILINE)))
    if not names:
        return text
    name = chance.choice(names)
    other = chance.choice((name.upper(), name.lower(), f"X{name}", name.swapcase()))
    return re.sub(rf"\b{name}\b", other, text)


def expand(mutants: Sequence[Mutant]) -> list[Outcome]:
    """What becomes of mutants, in package layout."""
    package = find_transformers()
    expander = Expander(convert, Library({"transformers": package}), read_casing(package), SHIPPED_CONFIG)
    return expander.expand([_task(each) for each in mutants])


def _task(mutant: Mutant) -> Task:
    name, package = f"modular_{mutant.model}", f"transformers.models.{mutant.model}"
    target = Target(mutant.model, Layout.PACKAGE, f"{name}.py", "5.23.0", mutant.strict)
    # A package of its own, since mutants of one model are styled side by side.
    own = f"fuzzed.of_{mutant.seed}"
    job = Job(f"{mutant.model}_{mutant.seed}", Path(f"{name}.py"), f"{package}.{name}", own, Path("out"), target)
    return Task(job, mutant.text.encode(), {})


def judge(mutant: Mutant, outcome: Outcome) -> Iterator[str]:
    """What is wrong with what became of a mutant."""
    told = [*outcome.problems, *outcome.warnings]
    yield from (f"{each.code}: {each.message}" for each in told if each.code == "internal-error")
    if outcome.problems:
        return
    for name, text in outcome.texts.items():
        try:
            compile(text, name, "exec")
        except SyntaxError as error:
            yield f"{name} does not compile: {error}"
            return
    yield from (f"vanished: {each}" for each in vanished(mutant, outcome))
    known = {each.code for each in told} & {"unresolved-import", "undefined-name"}
    if not known and (wrong := import_error(outcome)) and not import_error(_untouched(mutant.model)):
        yield f"cannot be imported: {wrong}"


def vanished(mutant: Mutant, outcome: Outcome) -> Iterator[str]:
    """What was inserted, and is in no output and named in no diagnostic."""
    outputs = "".join(outcome.texts.values())
    told = [each.line for each in (*outcome.problems, *outcome.warnings)]
    tree = ast.parse(mutant.text)
    lines = mutant.text.split("\n")
    for number in mutant.inserted:
        where = [at for at, line in enumerate(lines, 1) if number in line]
        spans = [
            range(node.lineno, (node.end_lineno or node.lineno) + 1)
            for node in ast.walk(tree)
            if _is_around(node, where)
        ]
        named = any(line in span for line in told for span in spans if len(span) < 12)
        if number not in outputs and not named and not _is_said_elsewhere(tree, where):
            yield f"{number}: {lines[where[0] - 1].strip()[:80]}"


def _is_around(node: ast.AST, where: Sequence[int]) -> bool:
    return isinstance(node, ast.stmt) and any(node.lineno <= at <= (node.end_lineno or 0) for at in where)


def _is_said_elsewhere(tree: ast.Module, where: Sequence[int]) -> bool:
    """Imports are kept where they are used, and a text of the module stays behind: the documented rules."""
    around = [node for node in tree.body if _is_around(node, where)]
    return all(isinstance(node, ast.Import | ast.ImportFrom) or _is_text(node) for node in around)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@cache
def _untouched(model: str) -> Outcome:
    text = Path(find_transformers(), "models", model, f"modular_{model}.py").read_text(encoding="utf-8")
    return expand([Mutant(0, model, text, False, ())])[0]


def import_error(outcome: Outcome) -> str:
    """Why Python cannot import what was made; empty where it can."""
    package = f"fuzzed_{outcome.job.name}"
    with tempfile.TemporaryDirectory(prefix="fuzzed-") as folder:
        Path(folder, package).mkdir()
        for name, text in outcome.texts.items():
            Path(folder, package, name).write_text(text, encoding="utf-8")
        Path(folder, package, "__init__.py").write_text("")
        sys.path.insert(0, folder)
        try:
            for name in sorted(outcome.texts):
                if name != "__init__.py":
                    with contextlib.redirect_stdout(None):
                        importlib.import_module(f"{package}.{name.removesuffix('.py')}")
        except (NameError, ImportError, SyntaxError, RecursionError) as error:
            return f"{type(error).__name__}: {error}"
        except Exception:  # what the mutant itself says, as in Python it would have
            return ""
        finally:
            sys.path.remove(folder)
            for name in [each for each in sys.modules if each.startswith(package)]:
                del sys.modules[name]
    return ""


def run(seeds: Sequence[int], tell: Callable[[str], None]) -> tuple[int, int]:
    """Try the mutants of some seeds; how many were converted, and how many went wrong."""
    converted = wrong = 0
    for start in range(0, len(seeds), _CHUNK):
        mutants = [mutate(seed) for seed in seeds[start : start + _CHUNK]]
        for mutant, outcome in zip(mutants, expand(mutants), strict=True):
            converted += not outcome.problems
            problems = list(judge(mutant, outcome))
            wrong += bool(problems)
            for each in problems:
                tell(f"seed {mutant.seed} ({mutant.model}): {each}")
    return converted, wrong


if __name__ == "__main__":
    many, first = (*map(int, sys.argv[1:]), *(COUNT, 0)[len(sys.argv) - 1 :])
    done, failed = run(range(first, first + many), print)
    print(f"{many} mutants: {done} converted, {many - done} refused, {failed} wrong")
    sys.exit(failed > 0)
