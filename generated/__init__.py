# Generated from templates/generated_init.py word for word.
# Do not edit generated/__init__.py: change the template and run `python utils/modular_converter.py --all`.
# Seal: sha256 1037e6133cac0af652ecbc4889e5027ea5950b86b04150f67dda2350304cd149
"""Gated models, one package for each base architecture, and their registration with transformers.

    from generated import register_gates

    register_gates()
    model = AutoModelForCausalLM.from_pretrained("path/to/a/gated/checkpoint")

Tools that load models themselves are started with `python -m generated.run TOOL ARGUMENTS...`.
Importing this package imports neither transformers nor torch.
"""

import importlib
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


__all__ = ["register_gates", "register_quality_gate"]

# The model type that checkpoints of the original project state -> the package that loads them.
_ORIGINALS = {"quality_gate": "quality_gate_qwen3"}
_CLASS = re.compile(r"^class (\w+)\((?:(?!^class ).)*?^    model_type = \"([^\"]+)\"", re.MULTILINE | re.DOTALL)
_EXPORTED = re.compile(r"^__all__ = \[(.*?)\]", re.MULTILINE | re.DOTALL)
_ALIASES = re.compile(r"^from \.\w+ import \w+ as (\w+)$", re.MULTILINE)


def register_gates() -> tuple[str, ...]:
    """Let transformers find every gated architecture of this package, of every kind of gate.

    The Auto classes know them by their model types, checkpoints of the original Quality-Gate project among them; each
    class is also an attribute of `transformers`, where some tools look for the `architectures` of a config; PEFT adapts
    the same modules by default as in their bases. Call it once before loading a gated checkpoint; calling it again
    changes nothing. An architecture is imported when it is first asked for.

    Returns:
        The registered model types, sorted.

    Raises:
        ModuleNotFoundError: torch is not installed, or older than transformers takes.
        RuntimeError: An Auto class does not answer with the class that was registered. Said whenever it is asked.
    """
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    from . import autos, reach

    if not transformers.utils.is_torch_available():
        raise ModuleNotFoundError(
            f"transformers finds no torch to run gated models with: {reach.INSTALL}", name="torch"
        )
    packages = _packages()
    found = {model_type: package for package in packages for model_type in _model_types(package)}
    tables = autos.tables()
    with _lock:
        configs = _waiting(CONFIG_MAPPING)
        for model_type, package in (found | _originals(packages)).items():
            configs.expect(package, model_type)
        for auto, table in tables.items():
            for model_type, package in found.items():
                if autos.may_serve(auto, table, model_type):
                    _waiting(table).expect(package)
    reach.show_on_transformers(reach.ClassNames(packages, _exported_names, _class_called))
    reach.teach_peft(found)
    return tuple(sorted(found))


register_quality_gate = register_gates  # its name while there was one kind of gate


class _Waiting(dict):
    """What transformers keeps of registered classes. Those of a package here come into it when they are first asked for.

    Keys are model types, or configuration classes, whose module says which package they are of.
    """

    def __init__(self, known: dict) -> None:
        super().__init__(known)
        self.loaders: dict[str, Callable[[str], None]] = {}  # package -> what registers it; of other folders as well
        self._keys: dict[str, str] = {}  # model type -> package

    def expect(self, package: str, model_type: str | None = None) -> None:
        self.loaders[package] = _register
        if model_type is not None:
            self._keys.setdefault(model_type, package)

    def forget(self, package: str) -> None:
        for key, found in list(super().items()):
            if getattr(found, "__module__", "").rpartition(".")[0] == package:
                del self[key]

    def _load(self, key: Any) -> None:
        package = self._keys.get(key) if isinstance(key, str) else getattr(key, "__module__", "").rpartition(".")[0]
        if package in self.loaders:
            self.loaders[package](package)

    def _load_all(self) -> None:
        for package, load in list(self.loaders.items()):
            try:
                load(package)
            except Exception as error:  # who asks for all of them may want another
                warnings.warn(f"{package} cannot be registered and is left out: {error}", stacklevel=3)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or (key in self._keys if isinstance(key, str) else self._holds(key))

    def _holds(self, key: object) -> bool:
        self._load(key)
        return super().__contains__(key)

    def __getitem__(self, key: Any) -> Any:
        self._load(key)
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def keys(self) -> Any:
        if not self._keys:
            self._load_all()
            return super().keys()
        return dict.fromkeys([*super().keys(), *self._keys]).keys()

    def __iter__(self) -> Iterator:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def values(self) -> Any:
        self._load_all()
        return super().values()

    def items(self) -> Any:
        self._load_all()
        return super().items()


def _waiting(table: Any) -> Any:
    """What a table of transformers keeps of registered classes, made to wait here or by another folder of models."""
    if not hasattr(table._extra_content, "loaders"):
        table._extra_content = _Waiting(table._extra_content)
    return table._extra_content


_lock = threading.RLock()  # never held during an import, which has locks of its own
_begun: set[str] = set()  # packages that the thread with the lock is registering
_registered: set[str] = set()


def _release_lock() -> None:
    """In a forked process, since the thread that held it is not there."""
    global _lock
    _lock = threading.RLock()
    _begun.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_lock)


def _register(package: str) -> None:
    """Import one package and register its classes, once; where that fails, every time that it is asked for."""
    if package in _registered:
        return
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    from . import autos

    classes = _public_classes(package)
    if classes is None:  # it asks for itself while it is being imported
        return
    with _lock:
        if package in _registered or package in _begun:
            return
        _begun.add(package)
        try:
            _register_classes(package, classes)
            _registered.add(package)
        except BaseException:
            for table in (CONFIG_MAPPING, *autos.tables().values()):
                _waiting(table).forget(package)
            raise
        finally:
            _begun.discard(package)


def _register_classes(package: str, classes: list[type]) -> None:
    import transformers

    from . import autos

    configs = [found for found in classes if issubclass(found, transformers.PreTrainedConfig) and found.model_type]
    pairs = [
        (getattr(transformers, auto), model)
        for model in classes
        if issubclass(model, transformers.PreTrainedModel) and isinstance(model.config_class, type)
        for auto in autos.auto_classes(model.config_class.model_type, model.__name__)
    ]
    for config in configs:
        transformers.AutoConfig.register(config.model_type, config, exist_ok=True)
    for model_type, home in _originals([package]).items():
        name = home.rpartition(".")[2]
        config = next(config for config in configs if config.model_type == name)
        transformers.CONFIG_MAPPING._extra_content[model_type] = config
    for auto, model in pairs:
        auto.register(model.config_class, model, exist_ok=True)
    # transformers may accept a registration and drop it, and one of our classes may displace another: look each one up.
    for config in configs:
        _insist(config, type(transformers.AutoConfig.for_model(config.model_type)), f"AutoConfig: {config.model_type}")
    for auto, model in pairs:
        answer = auto._model_mapping.get(model.config_class, None)
        _insist(model, answer, f"{auto.__name__}: {model.config_class.__name__}")


def _packages() -> list[str]:
    """The packages beside this file, without importing them."""
    folders = (Path(folder) for folder in __spec__.submodule_search_locations)
    names = {file.parent.name for folder in folders for file in folder.glob("*/configuration_*.py")}
    return [f"{__name__}.{name}" for name in sorted(names)]


def _model_types(package: str) -> list[str]:
    """The model types of the configurations that one gated model exports, read off its text."""
    model = package.rpartition(".")[2]
    files = (Path(folder) / model / f"configuration_{model}.py" for folder in __spec__.submodule_search_locations)
    text = next(file for file in files if file.is_file()).read_text(encoding="utf-8")
    exported = set(re.findall(r"\w+", _EXPORTED.search(text)[1]))
    return [model_type for name, model_type in _CLASS.findall(text) if name in exported]


def _originals(packages: list[str]) -> dict[str, str]:
    """The model types of the original project whose package is among `packages`."""
    homes = {model_type: f"{__name__}.{package}" for model_type, package in _ORIGINALS.items()}
    return {model_type: home for model_type, home in homes.items() if home in packages}


def _exported_names(package: str) -> list[str]:
    """What the files of one gated model export, and what its package calls something besides, read off their texts."""
    model = package.rpartition(".")[2]
    names: list[str] = []
    for folder in (Path(folder) / model for folder in __spec__.submodule_search_locations):
        texts = [file.read_text(encoding="utf-8") for file in sorted(folder.glob(f"*_{model}.py"))]
        names += [name for text in texts if (found := _EXPORTED.search(text)) for name in re.findall(r"\w+", found[1])]
        if texts:
            names += _ALIASES.findall((folder / "__init__.py").read_text(encoding="utf-8"))
    return names


def _class_called(package: str, name: str) -> type:
    """A class of one gated model, registered."""
    _register(package)
    exported = {found.__name__: found for found in _public_classes(package) or ()}
    return exported[name] if name in exported else getattr(importlib.import_module(package), name)


def _public_classes(package: str) -> list[type] | None:
    """Classes that the configuration and modeling files of one gated model export; None before they are read to their ends."""
    model = package.rpartition(".")[2]
    files = [importlib.import_module(f"{package}.{kind}_{model}") for kind in ("configuration", "modeling")]
    if not all(hasattr(file, "__all__") for file in files):
        return None
    exported = [getattr(file, name) for file in files for name in file.__all__]
    return [found for found in exported if isinstance(found, type)]


def _insist(registered: type, answer: type | None, key: str) -> None:
    if answer is not registered:
        raise RuntimeError(
            f"{key} was registered as {_full_name(registered)}, but transformers answers with {_full_name(answer)}. "
            "Remove or rename whichever of the two does not belong there, and register again in a fresh process."
        )


def _full_name(found: type | None) -> str:
    return f"{found.__module__}.{found.__qualname__}" if found else "nothing"
