"""The modules of a base in the installed transformers, found by name and read as text."""

from __future__ import annotations

import re
from pathlib import Path

from building.casing import read_casing
from building.library import Library, shown
from building.workspace import GATE
from diagnostics.errors import ConversionError
from diagnostics.names import nearest
from diagnostics.values import Diagnostic
from places import PROJECT
from weave.base import CAUSAL, OLDER, Base, load_base
from weave.kinds import read_kind
from weave.stage import gates_of, kinds_of, roots_of

from converter.names import Casing


_CAUSAL = re.compile(rf"^class \w+({CAUSAL}|{OLDER})\(", re.MULTILINE)


def base_names(package: Path) -> list[str]:
    """The modeling files that have a causal language model, by the names of their models, sorted.

    A name is that of the model's folder, but for models that share one: "data2vec_text" in the folder "data2vec".
    """
    files = package.glob("models/*/modeling_*.py")
    return sorted(
        each.stem.removeprefix("modeling_") for each in files if each.parent.name != "auto" and _is_causal(each)
    )


def shared_folder(name: str, package: Path) -> Path | None:
    """The modeling file of a model that has no folder of its own; None for others."""
    return (
        next(package.glob(f"models/*/modeling_{name}.py"), None) if not (package / "models" / name).is_dir() else None
    )


def find_base(name: str, package: Path, gate: str = GATE, project: Path = PROJECT) -> Base:
    """Read the modules of a base, and the kind of gate that it is to have.

    Raises ConversionError: `unknown-base` where there is no such model folder, `no-folder` where the model shares one,
    `no-language-model` where it has no causal language model.

    Args:
        name: of the base's folder, "llama".
        package: the folder of a transformers.
        gate: the kind of gate.
        project: whose kinds of gate are looked in.
    """
    folder = package / "models" / name
    if re.fullmatch(r"\w+", name) and (file := shared_folder(name, package)):
        message = f"{name} shares the folder of {file.parent.name}, and is not called after it: it cannot be renamed"
        raise _refuse("no-folder", file, message, "write this delta by hand")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or not folder.is_dir():
        close = nearest(name, base_names(package))
        fix = f"did you mean `{close}`?" if close else "name a folder of transformers/models"
        raise _refuse("unknown-base", package / "models", f"transformers has no model {name!r}", fix)
    library = Library({"transformers": package, **roots_of(project)})
    modeling = library.load(f"transformers.models.{name}.modeling_{name}")
    if modeling is None or not _CAUSAL.search(modeling.text):
        raise _without_language_model(name, folder, package)
    try:
        kind = read_kind(gate, library.load, kinds_of(roots_of(project)))
    except LookupError as close:
        fix = f"did you mean `{close}`?" if str(close) else f"there are {', '.join(kinds_of(roots_of(project)))}"
        raise _refuse("unknown-gate", gates_of(project), f"there is no kind of gate called {gate!r}", fix) from None
    try:
        return load_base(name, name, f"{kind.family}{name}", kind, library.load, Casing(read_casing(package)))
    except LookupError as missing:
        raise _refuse("no-language-model", folder, f"there is no {missing}", "name another model") from None


def _without_language_model(name: str, folder: Path, package: Path) -> ConversionError:
    message, fix = "this model has no causal language model", f"name a model with a ...{CAUSAL} or ...{OLDER} class"
    others = [each.stem.removeprefix("modeling_") for each in folder.glob("modeling_*.py") if _is_causal(each)]
    if others:
        fix = f"name {others[0]}"
    elif borrowed := _borrowed(name, package):
        message = f"this model has no classes of its own: its language model is {borrowed[0]}"
        fix = f"gate {borrowed[1]}, and give its configuration the values of this model's"
    return _refuse("no-language-model", folder, message, fix)


def _borrowed(name: str, package: Path) -> tuple[str, str] | None:
    """The language model of another folder that AutoModelForCausalLM makes for a model type: the class, the folder."""
    auto = package / "models" / "auto" / "modeling_auto.py"
    text = auto.read_text(encoding="utf-8") if auto.is_file() else ""
    found = re.search(rf'"{name.replace("_", "[-_]")}", "(\w+(?:{CAUSAL}|{OLDER}))"', text)
    if found is None:
        return None
    files = [path for path in package.glob("models/*/modeling_*.py") if _is_causal(path)]
    owners = [path.parent.name for path in files if f"class {found[1]}(" in path.read_text(encoding="utf-8")]
    return (found[1], owners[0]) if owners else None


def _is_causal(path: Path) -> bool:
    return bool(_CAUSAL.search(path.read_text(encoding="utf-8")))


def _refuse(code: str, path: Path, message: str, fix: str) -> ConversionError:
    return ConversionError(Diagnostic(code, shown(path), 1, 1, message, fix))
