"""Where the generated models of this project are."""

from __future__ import annotations

from pathlib import Path

from naming.kinds import kind_of
from places import GENERATED

from facts.peculiar import peculiarities
from facts.read import PREFIX, package_files, read_facts
from facts.values import ModelFacts


def generated_models(generated: Path = GENERATED) -> list[str]:
    """Base names of the generated models, sorted: ["gemma3", ..., "qwen3"]."""
    folders = (path.parent for path in generated.glob(f"{PREFIX}*/modeling_{PREFIX}*.py"))
    return sorted(folder.name.removeprefix(PREFIX) for folder in folders)


def package_of(name: str) -> str:
    """The package of a generated model: "llama" is the one of the kind that is meant, "attention_gate_llama" that one."""
    names = kind_of(name)
    return names.family + name.removeprefix(names.family)


def packages_of_others(generated: Path = GENERATED) -> list[str]:
    """The packages of the generated models of other kinds than the one that is meant, sorted."""
    folders = sorted({path.parent.name for path in generated.glob("*_gate_*/modeling_*.py")})
    return [name for name in folders if not name.startswith(PREFIX)]


def facts_of(name: str, generated: Path = GENERATED) -> ModelFacts:
    """Facts of the generated model of one base, or of one package.

    Raises LookupError where there is none, and PeculiarError where the file of what is peculiar about it is refused.
    """
    package = package_of(name)
    peculiarities(package.removeprefix(kind_of(package).family))  # names of classes are spelled as it says
    return read_facts(package, package_files(generated / package), [generated])
