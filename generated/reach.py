# Generated from templates/generated_reach.py word for word.
# Do not edit generated/reach.py: change the template and run `python utils/modular_converter.py --all`.
# Seal: sha256 720069d3d8c06ef8a478c23a27b3ae9a8ab4d1d689d89db58c989bd5cd7f1d08
"""Where other tools look for models: attributes of `transformers`, and PEFT's tables of what to adapt."""

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


INSTALL = "`pip install torch`"
_TABLES = "peft.utils.constants"


class ClassNames:
    """What `transformers` answers for names that it does not have itself: the classes of gated packages."""

    def __init__(
        self, packages: Iterable[str], exported: Callable[[str], list[str]], found: Callable[[str, str], type]
    ) -> None:
        """Take the packages, what each exports by its name, and what loads a class by its package and its name."""
        self.packages, self._exported, self._found = tuple(packages), exported, found
        self._starts = tuple({package.rpartition(".")[2].partition("_")[0] for package in self.packages})
        self._places: dict[str, str] | None = None  # name -> package

    def __contains__(self, name: str) -> bool:
        if not name[:1].isupper() or not name.lower().startswith(self._starts):
            return False  # the texts are read where it may be one of theirs alone
        if self._places is None:
            self._places = {each: package for package in self.packages for each in self._exported(package)}
        return name in self._places

    def __getitem__(self, name: str) -> type:
        if name not in self or self._places is None:
            raise KeyError(name)
        return self._found(self._places[name], name)


class _Lookup:
    """The `__getattr__` of a module: Python calls it for a name that the module does not hold."""

    def __init__(self, module: ModuleType, before: Callable[[str], Any] | None, classes: ClassNames) -> None:
        self.module, self.before, self.classes = module, before, classes

    def __call__(self, name: str) -> Any:
        if name in self.classes and name not in vars(self.module).get("__all__", ()):
            return self.classes[name]
        if self.before is not None:
            return self.before(name)
        raise AttributeError(f"module {self.module.__name__!r} has no attribute {name!r}")  # transformers looks next


def show_on_transformers(classes: ClassNames) -> None:
    """Make classes reachable as `transformers.<Class>`, on every module object of that name that somebody holds.

    transformers replaces its module object while it imports the first model; whoever imported it before keeps the old one.
    """
    importlib.import_module("transformers.processing_utils")  # this is what replaces it
    now = sys.modules["transformers"]
    lazy, found = type(now), {id(now): now}
    for holder in list(sys.modules.values()):
        if isinstance(names := _names_in(holder), dict):
            found |= {id(each): each for each in list(names.values()) if type(each) is lazy and _is_top(each)}
    for module in found.values():
        names = vars(module)
        known = names.get("__getattr__")
        if isinstance(known, _Lookup):
            known.classes = classes
        else:
            names["__getattr__"] = _Lookup(module, known, classes)


def _names_in(holder: Any) -> Any:
    """What a module holds, without waking up one that loads itself when it is looked at."""
    try:
        return object.__getattribute__(holder, "__dict__")
    except AttributeError:
        return None


def _is_top(module: ModuleType) -> bool:
    return _names_in(module).get("__name__") == "transformers"


def teach_peft(model_types: Iterable[str]) -> None:
    """Let PEFT adapt by default, in each gated model, what it adapts in its base; now, or once PEFT is imported."""
    bases = {each: match[1] for each in model_types if (match := re.fullmatch(r".+?_gate_(.+)", each))}

    def teach(constants: ModuleType) -> None:
        for name, table in vars(constants).items():
            if name.startswith("TRANSFORMERS_MODELS_TO_") and isinstance(table, dict):
                known = {gated: table[base] for gated, base in bases.items() if base in table}
                table.update({gated: value for gated, value in known.items() if gated not in table})

    when_imported(_TABLES, teach)


def when_imported(name: str, action: Callable[[ModuleType], Any]) -> None:
    """Call `action` with a module: at once if it has been imported, else as soon as it will have been."""
    module = sys.modules.get(name)
    if module is not None:
        action(module)
    elif not any(isinstance(each, _Wait) and each.name == name for each in sys.meta_path):
        sys.meta_path.insert(0, _Wait(name, action))


class _Wait(MetaPathFinder):
    """Finds nothing itself, but sees that one module is imported, and then does something."""

    def __init__(self, name: str, action: Callable[[ModuleType], Any]) -> None:
        self.name, self.action, self._is_asking = name, action, False

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self.name or self._is_asking:
            return None
        self._is_asking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._is_asking = False
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = partial(self._execute, spec.loader.exec_module)
        return spec  # which may be to look at alone: who asks whether a package is there does not import it

    def _execute(self, execute: Callable[[ModuleType], Any], module: ModuleType) -> None:
        execute(module)
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            self.action(module)
