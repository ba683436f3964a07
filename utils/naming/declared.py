"""What a kind of gate declares for the tools, read from its folder as text: nothing in the folder is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic
from places import GATES, PROJECT


Pairs = tuple[tuple[str, object], ...]  # fields of a configuration with their values
CODE = "bad-gate"
_FILE = "__init__.py"
_MARK = re.compile(r"\.(\w+\.)*\w+\.?")  # ".scalar_norm.", ".memory.memory_bank"
_PATH = re.compile(r"(\w+\.)*\w+")  # "memory.memory_bank"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What every tool has to know of a kind's weights and fields. `weave.gate.Gate` is this, and what weaving needs.

    Names of weights are those of a model's state: "model.layers.0.scalar_gate.number". Part of such a name begins with
    a dot, and ends with one where it is a module's.
    """

    # gates are float32 in models of any type; otherwise of the type that most weights of layers have
    float32: bool = False
    marks: tuple[str, ...] = ()  # parts of names that only weights of this kind have, besides ".scalar_gate."
    # parts of names of weights that are zeros at the start; the others start as the model has it
    zeros: tuple[str, ...] = ()
    bank: str = ""  # how the name of a bank ends: rows of int64, a buffer that is read and never trained
    starts: tuple[str, ...] = ()  # fields that say how gates start, besides those of `equals_base`
    base_fields: tuple[str, ...] = ()  # fields that the kind documents anew: bases have them themselves
    scores: tuple[str, ...] = ()  # what a forward takes to return what gates say, and where its output has that
    tiny: Pairs = ()  # sizes for tests and proofs, where the defaults are large
    equals_base: Pairs = ()  # fields with which a gated model computes what its base does


@dataclass(frozen=True, slots=True)
class KindFolder:
    """What the folder of a kind says to the tools."""

    declared: Declared
    fields: tuple[str, ...]  # that its configurations have besides their bases'


def beside(generated: Path) -> Path:
    """The kinds of gate of the project that a folder of generated models is in."""
    return generated.parent / "modular" / "gates"


def read_folder(kind: str, gates: tuple[Path, ...] = ()) -> KindFolder | None:
    """What the folder of a kind says; None where there is none.

    It is looked for in `gates`, then in a user's project, then in what comes with the tools.

    Raises ConversionError (`bad-gate`) where its declaration is not Python, or says something that makes no sense.
    """
    places = (folder / kind for folder in (*gates, PROJECT / "modular" / "gates", GATES))
    folder = next((each for each in places if (each / _FILE).is_file()), None)
    return _read(kind, folder, (folder / _FILE).stat().st_mtime_ns) if folder else None


@lru_cache(maxsize=64)
def _read(kind: str, folder: Path, changed: int) -> KindFolder:
    """What a folder says; `changed` is when its declaration was last written, after which it is read again."""
    path = folder / _FILE
    said = _arguments(path)
    known = {each.name for each in fields(Declared)}
    values = {name: _value(path, node) for name, node in said.items() if name in known}
    declared = Declared(**values)  # type: ignore[arg-type]  # checked below
    for name, message, fix in problems(declared, kind):
        raise _refused(path, said[name].lineno, message, fix)
    modules = _value(path, said["modules"]) if "modules" in said else ()
    names = [str(each) for each in modules] if isinstance(modules, tuple) else []
    own = _fields([folder / f"{name}.py" for name in names], f"{kind.title()}GateConfig")
    return KindFolder(declared, tuple(name for name in own if name not in declared.base_fields))


def problems(declared: Declared, kind: str) -> Iterator[tuple[str, str, str]]:
    """What makes no sense in a declaration: the field, what is wrong with it, and what to write."""
    for name, (fits, fix) in _FORMS.items():
        value = getattr(declared, name)
        if not fits(value):
            yield name, f"`{name}` is {value!r}", f"write {fix}"
            return
    marks = (f".{kind}_gate.", *declared.marks)
    parts = [("zeros", each) for each in declared.zeros] + [("bank", f".{declared.bank}")] * bool(declared.bank)
    for name, part in parts:
        if not any(mark in part for mark in marks):
            message = f"`{name}` names weights that are not of this kind: {part.removeprefix('.')!r}"
            yield name, message, "add what their names have in common to `marks`"


def _are(form: re.Pattern[str] | None, count: int | None = None) -> Callable[[object], bool]:
    """A tuple of strings of a form; of names where there is none."""

    def fits(value: object) -> bool:
        if not isinstance(value, tuple) or (count is not None and len(value) not in (0, count)):
            return False
        return all(isinstance(each, str) and (form.fullmatch(each) if form else each.isidentifier()) for each in value)

    return fits


def _are_pairs(value: object) -> bool:
    pairs = value if isinstance(value, tuple) else (None,)
    return all(isinstance(each, tuple) and len(each) == 2 and _are(None)(each[:1]) for each in pairs)


_NAMES = '("first_field", "second_field"), with a comma behind a single one'
_PARTS = '(".scalar_norm.",): parts of names of weights, each of which begins with a dot'
_PAIRS = '(("field", 1),): pairs of a field and its value'
_FORMS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "float32": (lambda value: isinstance(value, bool), "True or False"),
    "marks": (_are(_MARK), _PARTS),
    "zeros": (_are(_MARK), _PARTS),
    "bank": (
        lambda value: value == "" or isinstance(value, str) and bool(_PATH.fullmatch(value)),
        'the end of a name: "memory.memory_bank"',
    ),
    "starts": (_are(None), _NAMES),
    "base_fields": (_are(None), _NAMES),
    "scores": (_are(None, 2), '("output_router_logits", "quality_logits"): what is asked, and what is returned'),
    "tiny": (_are_pairs, _PAIRS),
    "equals_base": (_are_pairs, _PAIRS),
}


def _arguments(path: Path) -> dict[str, ast.expr]:
    """What `GATE = Gate(...)` is given, by name."""
    for node in _tree(path).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="GATE")], value=ast.Call(func=ast.Name(id="Gate"), keywords=said)):
                return {each.arg: each.value for each in said if each.arg}
    raise _refused(path, 1, "this kind of gate declares no `GATE`", "write `GATE = Gate(...)`")


def _value(path: Path, node: ast.expr) -> object:
    try:
        return _frozen(ast.literal_eval(node))
    except (ValueError, TypeError):
        message = f"`{ast.unparse(node)}` cannot be part of a gate's declaration"
        raise _refused(path, node.lineno, message, "use literals") from None


def _frozen(value: object) -> object:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _fields(modules: list[Path], config: str) -> tuple[str, ...]:
    """The fields that the class of configurations says, in their order."""
    for path in modules:
        for node in _tree(path).body if path.is_file() else ():
            if isinstance(node, ast.ClassDef) and node.name == config:
                said = (each.target for each in node.body if isinstance(each, ast.AnnAssign))
                return tuple(each.id for each in said if isinstance(each, ast.Name))
    return ()


def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise _refused(path, getattr(error, "lineno", None) or 1, f"is not Python: {error}", "correct it") from None


def _refused(path: Path, line: int, message: str, fix: str) -> ConversionError:
    return ConversionError(Diagnostic(CODE, str(path), line, 1, message, fix))
