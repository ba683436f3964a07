"""Breaking the text of a generated file."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostics.errors import ConversionError
from diagnostics.values import Diagnostic

from testgen.mutants.values import Mutant


def mutated(mutant: Mutant, package: str, files: Mapping[str, str]) -> dict[str, str]:
    """The files of a package, name -> text, with one of them broken.

    Raises ConversionError (`mutant-misses`): what the mutant replaces is not there exactly once, or it changes nothing.
    """
    name = f"{mutant.file}_{package}.py"
    found = files[name].count(mutant.old)
    if found != 1 or mutant.old == mutant.new:
        message = f"`{mutant.name}` replaces what is there {found} times, not once: {mutant.old.strip()[:80]!r}"
        fix = "write down in testgen/mutants/llama.toml how the file says it now"
        raise ConversionError(Diagnostic("mutant-misses", name, 1, 1, message, fix))
    return {**files, name: files[name].replace(mutant.old, mutant.new)}
