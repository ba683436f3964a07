# Generated from templates/generated_init.py word for word.
# Do not edit generated/__init__.py: change the template and run `python utils/modular_converter.py --all`.
# Seal: sha256 0000000000000000000000000000000000000000000000000000000000000000
"""Gated models, one package for each base architecture, and their registration with transformers.

    from generated import register_gates

    register_gates()
    model = AutoModelForCausalLM.from_pretrained("path/to/a/gated/checkpoint")

Tools that load models themselves are started with `python -m generated.run TOOL ARGUMENTS...`.
Importing this package imports neither transformers nor torch.
"""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any


__all__ = ["register_gates", "register_quality_gate"]

# How a class name ends -> the Auto classes that serve it, as transformers does for its own models.
_AUTO_CLASSES = {
    "ForCausalLM": ("AutoModelForCausalLM",),
    "ForConditionalGeneration": ("AutoModelForImageTextToText", "AutoModelForCausalLM"),
    "ForSequenceClassification": ("AutoModelForSequenceClassification",),
    "ForTokenClassification": ("AutoModelForTokenClassification",),
    "ForQuestionAnswering": ("AutoModelForQuestionAnswering",),
    "PreTrainedModel": (),  # abstract
    "Model": ("AutoModel",),
}
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
        RuntimeError: An Auto class does not answer with the class that was registered. Said when it is first asked.
    """
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    from . import reach

    if not transformers.utils.is_torch_available():
        raise ModuleNotFoundError(
            f"transformers finds no torch to run gated models with: {reach.INSTALL}", name="torch"
        )
    packages = _packages()
    found = {model_type: package for package in packages for model_type in _model_types(package)}
    autos = {name for names in _AUTO_CLASSES.values() for name in names}
    tables = [CONFIG_MAPPING, *(getattr(transformers, name)._model_mapping for name in sorted(autos))]
    for table in tables:
        if not isinstance(table._extra_content, _Waiting):
            table._extra_content = _Waiting(table._extra_content)
    for model_type, package in found.items():
        CONFIG_MAPPING._extra_content.expect(model_type, package)
    for model_type, package in _originals(packages).items():
        CONFIG_MAPPING._extra_content.expect(model_type, package)
    for table in tables[1:]:
        table._extra_content.packages |= dict.fromkeys(packages)
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
        self.packages: dict[str, None] = {}
        self._keys: dict[str, str] = {}  # model type -> package

    def expect(self, model_type: str, package: str) -> None:
        self.packages[package] = None
        self._keys.setdefault(model_type, package)

    def _load(self, key: Any) -> None:
        package = self._keys.get(key) if isinstance(key, str) else getattr(key, "__module__", "").rpartition(".")[0]
        if package in self.packages:
            _register(package)

    def _load_all(self) -> None:
        for package in list(self.packages):
            _register(package)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or (key in self._keys if isinstance(key, str) else self._holds(key))

    def _holds(self, key: object) -> bool:
        self._load(key)
        return super().__contains__(key)

    def __getitem__(self, key: Any) -> Any:
        if not super().__contains__(key):
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


_registered: set[str] = set()


def _register(package: str) -> None:
    """Import one package and register its classes."""
    if package in _registered:
        return
    _registered.add(package)
    import transformers

    classes = _public_classes(package)
    configs = [found for found in classes if issubclass(found, transformers.PreTrainedConfig) and found.model_type]
    pairs = [
        (getattr(transformers, auto), model)
        for model in classes
        if issubclass(model, transformers.PreTrainedModel)
        for auto in _auto_classes(model.__name__)
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
    exported = {found.__name__: found for found in _public_classes(package)}
    return exported[name] if name in exported else getattr(importlib.import_module(package), name)


def _public_classes(package: str) -> list[type]:
    """Classes that the configuration and modeling files of one gated model export."""
    model = package.rpartition(".")[2]
    files = [importlib.import_module(f"{package}.{kind}_{model}") for kind in ("configuration", "modeling")]
    exported = [getattr(file, name) for file in files for name in file.__all__]
    return [found for found in exported if isinstance(found, type)]


def _auto_classes(name: str) -> tuple[str, ...]:
    return next((autos for ending, autos in _AUTO_CLASSES.items() if name.endswith(ending)), ())


def _insist(registered: type, answer: type | None, key: str) -> None:
    if answer is not registered:
        raise RuntimeError(
            f"{key} was registered as {_full_name(registered)}, but transformers answers with {_full_name(answer)}. "
            "Remove or rename whichever of the two does not belong there, and register again in a fresh process."
        )


def _full_name(found: type | None) -> str:
    return f"{found.__module__}.{found.__qualname__}" if found else "nothing"
