"""The code of a gated model for another release of transformers than that of `generated/`: converted anew, in memory."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from files.writing import write_file
from places import PROJECT

from checkpoints.errors import CheckpointError


OPTION = "--for-transformers"


def code_for(wanted: str, package: str) -> tuple[Path, ...]:
    """The files of the configuration and the model of a generated package, made from the bases of another release.

    They are kept in the cache, in a folder that is named by what they hold.

    Args:
        wanted: a version, which is fetched, or a folder that holds a release.
        package: of the model in `generated/`: "quality_gate_llama".

    Raises:
        CheckpointError: the release cannot be had, or the model cannot be made from it.
    """
    from building.cache import OVERRIDE, default_folder
    from diagnostics.errors import ConversionError

    folder = default_folder()
    if folder is None:
        raise CheckpointError(OPTION, "there is no place to keep code in", f"set {OVERRIDE} to a folder")
    try:
        texts = _converted(wanted, package)
    except ConversionError as problem:
        first = problem.diagnostics[0]
        raise CheckpointError(f"{OPTION} {wanted}", first.message, first.fix) from None
    names = [f"{kind}_{package}.py" for kind in ("configuration", "modeling")]
    digest = hashlib.sha256("".join(texts[name] for name in names).encode()).hexdigest()
    place = folder / "code" / digest
    os.makedirs(place, exist_ok=True)
    for name in names:
        write_file(place / name, [texts[name].encode()])
    return tuple(place / name for name in names)


def _converted(wanted: str, package: str) -> dict[str, str]:
    """The files of a model by their names, as the converter makes them from a release. Raises ConversionError."""
    from building.project import convert_models
    from building.releases import find_release
    from diagnostics.errors import ConversionError
    from weave.stage import weaving

    outcomes, _ = convert_models([package], find_release(wanted), PROJECT, weaving(PROJECT))
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    if problems:
        raise ConversionError(*problems)
    return dict(next(outcome.texts for outcome in outcomes if outcome.job.name == package))
