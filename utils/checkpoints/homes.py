"""The folders that hold generated models: a user's own, and the one that comes with the tools; and how models are imported.

A user's is named (`--generated DIR`), or is the `generated/` that the tools write to. Nothing that a checkpoint says leads
to a folder, and none inside a checkpoint is looked into unless it is named: whoever made the checkpoint may have put it
there, and its code would run.
"""

from __future__ import annotations

import argparse
import sys
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from facts.project import generated_models, packages_of_others
from places import GENERATED, PROJECT
from telling.tools import named

from checkpoints.errors import CheckpointError


Homes = tuple[Path, ...]  # in the order in which they are looked into
OURS: Homes = (GENERATED,)


def add_generated(parser: argparse.ArgumentParser) -> None:
    """The option that names a user's folder."""
    parser.add_argument(
        "--generated",
        type=Path,
        metavar="DIR",
        help=f"a folder of models that {named('convert')} made, looked into before those that come with the tools",
    )


def find_homes(generated: Path | None = None, checkpoint: Path | None = None) -> Homes:
    """Where gated architectures are looked for.

    Args:
        generated: the folder that a user names.
        checkpoint: what the architectures are wanted for.

    Raises CheckpointError where the folder that is named holds no gated model.
    """
    if generated is not None:
        if not _holds_models(generated):
            fix = f"give the folder that {named('convert')} wrote to with --generated"
            raise CheckpointError(generated, "holds no gated models", fix)
        return (generated, *OURS)
    written = PROJECT / "generated"
    if written.resolve() == GENERATED.resolve() or not _holds_models(written):
        return OURS
    if checkpoint is not None and written.resolve().is_relative_to(checkpoint.resolve()):
        return OURS
    return (written, *OURS)


def _holds_models(folder: Path) -> bool:
    return bool(generated_models(folder) or packages_of_others(folder))


def import_package(folder: Path) -> ModuleType:
    """A generated model, given its folder; of a user's, in a package whose name says which folder that was."""
    return import_module(f"{_import_home(folder.parent).__name__}.{folder.name}")


def _import_home(home: Path) -> ModuleType:
    if home.resolve() == GENERATED.resolve():
        return import_module("generated")
    name = f"generated_{sha256(str(home.resolve()).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, home / "__init__.py", submodule_search_locations=[str(home.resolve())])
    module = module_from_spec(spec) if spec else ModuleType(name)
    sys.modules[name] = module
    if spec and spec.loader and (home / "__init__.py").is_file():
        spec.loader.exec_module(module)
    return module
