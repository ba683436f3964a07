"""The installed transformers with generated models among its own, without a byte changed of what is installed.

A folder of links to the files of the installed package, to put first on the path. Two files are not links but copies
with lines at the end: those that tell the Auto classes which models there are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from pprint import pformat

from facts.values import ModelFacts
from naming.kinds import GateNames


_CONFIGS = """

# Gated models: model type -> configuration, and model type -> package where the two differ.
CONFIG_MAPPING_NAMES.update({configs})
SPECIAL_MODEL_TYPE_TO_MODULE_NAME.update({packages})
"""
_MODELS = """

# Gated models: the classes of each, and an entry wherever transformers has one of the base for such a class.
for _names in [value for key, value in globals().items() if key.endswith("_NAMES") and isinstance(value, dict)]:
    for _model_type, _classes in {classes}.items():
        _base = _names.get(_model_type.removeprefix({prefix!r}))
        _bases = _base if isinstance(_base, tuple | list) else (_base,)
        _found = [_classes[each] for each in _bases if each in _classes]
        if _found:
            _names[_model_type] = _found[0] if len(_found) == 1 else tuple(_found)
"""


def lay_over(installed: Path, packages: Iterable[tuple[Path, ModelFacts]], target: Path) -> None:
    """Make `target` a transformers package that has the generated models as well.

    Args:
        installed: the folder of the installed package.
        packages: the folder of each generated package, and its facts.
        target: a folder that does not exist yet.
    """
    packages = list(packages)
    _link_all(installed, target, but="models")
    _link_all(installed / "models", target / "models", but="auto")
    _link_all(installed / "models" / "auto", target / "models" / "auto")
    for folder, facts in packages:
        os.symlink(folder.resolve(), target / "models" / facts.package, target_is_directory=True)
    found = [facts for _, facts in packages]
    _append(target / "models" / "auto" / "auto_mappings.py", _config_lines(found))
    _append(target / "models" / "auto" / "modeling_auto.py", _model_lines(found))


def _link_all(source: Path, target: Path, but: str = "") -> None:
    target.mkdir(parents=True)
    for entry in sorted(source.iterdir()):
        if entry.name not in (but, "__pycache__"):
            os.symlink(entry, target / entry.name, target_is_directory=entry.is_dir())


def _append(path: Path, lines: str) -> None:
    text = path.read_text(encoding="utf-8")
    path.unlink()
    path.write_text(text + lines, encoding="utf-8")


def _config_lines(models: Iterable[ModelFacts]) -> str:
    owners = {config.model_type: (config.name, facts.package) for facts in models for config in facts.configs.values()}
    configs = {model_type: name for model_type, (name, _) in owners.items()}
    packages = {model_type: package for model_type, (_, package) in owners.items() if package != model_type}
    return _CONFIGS.format(configs=pformat(configs), packages=pformat(packages))


def _model_lines(models: Sequence[ModelFacts]) -> str:
    """The lines for models of each kind of gate, whose names begin with its own prefixes."""
    return "".join(
        _MODELS.format(classes=pformat(_classes(models, names)), prefix=names.family)
        for names in dict.fromkeys(facts.names for facts in models)
    )


def _classes(models: Iterable[ModelFacts], names: GateNames) -> dict[str, dict[str, str]]:
    """Model type -> class of the base -> gated class."""
    return {
        config.model_type: {each.base_name: each.name for each in facts.models}
        for facts in models
        if facts.names == names
        for config in facts.configs.values()
    }
