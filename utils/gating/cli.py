"""`modular_converter.py`: the converter's command line, with short deltas woven, and written where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from building.cli import Prove
from building.cli import main as run
from places import GATES, HOME, PROJECT
from scaffold.missing import write_missing
from weave.stage import gates_of, weaving


def prove(*args: Any) -> Any:
    """`proof.command.prove`, which most runs do without."""
    from proof.command import prove

    return prove(*args)


def main(argv: Sequence[str] | None = None, project: Path = PROJECT, prove: Prove | None = prove) -> int:
    """Run one command line; the exit status. `project` and `prove` stand in for the real ones in tests."""
    # With kinds of gate of their own, a user's folder has no use for our deltas.
    ours = project == PROJECT and gates_of(project) == GATES
    write = partial(write_missing, shipped=HOME / "modular") if ours else write_missing
    return run(argv, project=project, stage=replace(weaving(project), write_missing=write), prove=prove)
