"""The modules of a base in the installed transformers, found by name and read as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from converter.casing import read_casing
from converter.diagnostics import ConversionError, Diagnostic, nearest
from converter.library import Library, shown
from converter.names import Casing, Rename
from converter.workspace import FAMILY
from scaffold.modules import Module, read_module


# How the names of causal language models end; of older ones (GPT-2) with the second
CAUSAL, OLDER = "ForCausalLM", "LMHeadModel"
_CAUSAL = re.compile(rf"^class \w+({CAUSAL}|{OLDER})\(", re.MULTILINE)


@dataclass(frozen=True)
class Base:
    """A model folder of transformers: `name` in snake case, and the two files that say what the model is."""

    name: str
    package: Path  # of transformers
    modeling: Module
    configuration: Module

    @cached_property
    def renaming(self) -> Rename:
        """How the converter renames what it takes from this base."""
        casing = Casing(read_casing(self.package))
        return Rename(casing.of_model(self.name), casing.of_model(f"{FAMILY}{self.name}"))

    def gated(self, name: str) -> str:
        """The name of the gated class that stands for one of the base's."""
        if name.endswith(OLDER):
            name = name.removesuffix(OLDER) + CAUSAL
        renamed = self.renaming.word(name)
        return renamed if renamed != name else f"QualityGate{name}"

    @cached_property
    def gated_names(self) -> Mapping[str, str]:
        """Every class of the base with the name of the gated one, but for those that are not named after the base.

        The converter copies these as they are, so that a gated one would be made and never used.
        """
        modules = (self.modeling, self.configuration)
        names = [name for module in modules for name in module.classes]
        return {name: self.gated(name) for name in names if self.renaming.word(name) != name}


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


def find_base(name: str, package: Path) -> Base:
    """Read the modules of a base.

    Raises ConversionError: `unknown-base` where there is no such model folder, `no-folder` where the model shares one,
    `no-language-model` where it has no causal language model.
    """
    folder = package / "models" / name
    if re.fullmatch(r"\w+", name) and (file := shared_folder(name, package)):
        message = f"{name} shares the folder of {file.parent.name}, and is not called after it: it cannot be renamed"
        raise _refuse("no-folder", file, message, "write this delta by hand")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or not folder.is_dir():
        close = nearest(name, base_names(package))
        fix = f"did you mean `{close}`?" if close else "name a folder of transformers/models"
        raise _refuse("unknown-base", package / "models", f"transformers has no model {name!r}", fix)
    library = Library({"transformers": package})
    modules = [f"transformers.models.{name}.{kind}_{name}" for kind in ("modeling", "configuration")]
    sources = [library.load(module) for module in modules]
    if None in sources or not _CAUSAL.search(sources[0].text):
        raise _without_language_model(name, folder, package)
    modeling, configuration = map(read_module, sources)
    return Base(name, package, modeling, configuration)


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
    files = [path for path in package.glob("models/*/modeling_*.py") if found and _is_causal(path)]
    owners = [path.parent.name for path in files if f"class {found[1]}(" in path.read_text(encoding="utf-8")]
    return (found[1], owners[0]) if owners else None


def _is_causal(path: Path) -> bool:
    return bool(_CAUSAL.search(path.read_text(encoding="utf-8")))


def _refuse(code: str, path: Path, message: str, fix: str) -> ConversionError:
    return ConversionError(Diagnostic(code, shown(path), 1, 1, message, fix))
