"""Base and gated checkpoint side by side: their tensors, and what the models compute."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from naming.kinds import is_gated

from checkpoints.architectures import refuse_undeclared
from checkpoints.casting import DTYPES
from checkpoints.configs import names_of
from checkpoints.errors import CheckpointError, refusing_what_the_system_refuses
from checkpoints.homes import find_homes
from checkpoints.hub import find_folder, named_gguf
from checkpoints.layout import Checkpoint, open_checkpoint
from checkpoints.progress import Progress
from checkpoints.weights import Check, compare_weights


@dataclass(slots=True)
class Comparison:
    """All checks on a pair of checkpoints."""

    base: str
    gated: str
    checks: list[Check] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return all(check.passed is not False for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        checks = [{"name": each.name, "passed": each.passed, "found": each.found} for each in self.checks]
        return {"base": self.base, "gated": self.gated, "passed": self.passed, "checks": checks}


def compare_models(
    base: str | Path,
    gated: str | Path,
    *,
    dtype: str = "float32",
    text: str | Path | None = None,
    weights_only: bool = False,
    trained: bool = False,
    trust_remote_code: bool = False,
    progress: Progress | None = None,
    generated: Path | None = None,
) -> Comparison:
    """Check that a gated checkpoint is its base and gates, and nothing else.

    Args:
        base, gated: folders, or names on the Hub.
        dtype: the type that the models run in.
        text: a file of text that they read; random tokens without it.
        weights_only: whether to leave out running the models, which needs torch and the memory of one model.
        trained: whether the gates were trained since they were drawn.
        trust_remote_code: whether code that comes with the checkpoints may be run; nobody is asked.
        progress: who is told about bytes that were dealt with.
        generated: a folder of a user's generated models, looked into before those that come with the tools.

    Returns:
        Every check that was made; `.passed` says whether none failed.

    Raises:
        CheckpointError: one of the checkpoints cannot be read, so that there is nothing to compare.
    """
    progress = progress or Progress()
    if dtype not in DTYPES:
        raise CheckpointError("--dtype", f"is {dtype!r}", f"give {', '.join(DTYPES)}")
    result = Comparison(str(base), str(gated))
    with refusing_what_the_system_refuses(Path(gated)):
        words = _read_text(text) if text else None
        ours, theirs = open_checkpoint(find_folder(gated)), open_checkpoint(find_folder(base), named_gguf(base))
        _refuse_swapped(theirs, ours)
        homes = find_homes(generated, ours.folder)
        names = names_of(ours.config, homes)
        refuse_undeclared(names, ours.folder)
        try:
            result.checks += compare_weights(theirs, ours, trained, progress, names)
        finally:
            progress.stop()
        if not weights_only:
            runs = import_module("checkpoints.running").compare_runs
            result.checks += runs(theirs, ours, dtype, words, trust_remote_code, homes)
    return result


def _refuse_swapped(base: Checkpoint, gated: Checkpoint) -> None:
    """Told by their configurations; a GGUF file's says nothing."""
    if is_gated(base.config.get("model_type")) and not is_gated(gated.config.get("model_type")):
        fix = f"swap the arguments: --base {gated.folder} --gated {base.folder}"
        raise CheckpointError(base.folder, "is the gated checkpoint, and what was given as that is none", fix)


def _read_text(path: str | Path) -> str:
    try:
        words = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(path, "is not text in UTF-8", "give a text file") from error
    if not words.strip():
        raise CheckpointError(path, "is empty", "give a file with some text")
    return words
