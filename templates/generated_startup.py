# Generated from templates/generated_startup.py word for word.
# Do not edit generated/startup/sitecustomize.py: change the template and run `python utils/modular_converter.py --all`.
# Seal: sha256 0000000000000000000000000000000000000000000000000000000000000000
"""What Python runs at the start of a process that a tool of `python -m generated.run` starts: registers gated models.

It stands before any other `sitecustomize` on the path, which it runs first.
"""

import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType


_HERE = Path(__file__).resolve().parent


def start() -> None:
    """Run the `sitecustomize` that this one hides, and have the gated models registered once transformers is imported."""
    hidden = [path for path in sys.path if Path(path or ".").resolve() != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", hidden)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    if importlib.util.find_spec("torch") is not None:
        _gated_models().register_when_needed()


def _gated_models() -> ModuleType:
    """The module that registers them, of the package around this file, whatever else is called so on the path."""
    package = _HERE.parent
    if "generated" not in sys.modules:
        spec = importlib.util.spec_from_file_location("generated", package / "__init__.py")
        sys.modules["generated"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["generated"])
    return importlib.import_module("generated.run")


start()
