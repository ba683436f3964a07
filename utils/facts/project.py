"""Where the generated models of this project are."""

from __future__ import annotations

from pathlib import Path

from facts.peculiar import peculiarities
from facts.read import PREFIX, package_files, read_facts
from facts.values import ModelFacts


GENERATED = Path(__file__).resolve().parents[2] / "generated"


def generated_models(generated: Path = GENERATED) -> list[str]:
    """Base names of the generated models, sorted: ["gemma3", ..., "qwen3"]."""
    folders = (path.parent for path in generated.glob(f"{PREFIX}*/modeling_{PREFIX}*.py"))
    return sorted(folder.name.removeprefix(PREFIX) for folder in folders)


def facts_of(name: str, generated: Path = GENERATED) -> ModelFacts:
    """Facts of the generated model of one base.

    Raises LookupError where there is none, and PeculiarError where the file of what is peculiar about it is refused.
    """
    name = name.removeprefix(PREFIX)
    peculiarities(name)  # names of classes are spelled as it says
    return read_facts(name, package_files(generated / (PREFIX + name)))
