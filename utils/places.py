"""Where things are: in a clone of the project side by side, in an installed package partly with it and partly a user's.

    clone                     installed
    utils/                    quality_gate/utils/       the tools
    modular/, templates/      quality_gate/modular/...  what comes with them
    generated/                generated/                the models that come with them
    modular/, generated/      ./modular/, ./generated/  what the tools write

Knows no package of the tools, and is known to all of them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


UTILS = Path(__file__).resolve().parent
HOME = UTILS.parent  # what comes with the tools
IS_CLONE = (HOME / "generated").is_dir()
PROJECT = HOME if IS_CLONE else Path.cwd()  # what the tools read a user's deltas from, and write to
TEMPLATES = HOME / "templates"
PECULIAR = HOME / "modular" / "peculiar"
GATES = HOME / "modular" / "gates"
STYLE = TEMPLATES / "style.toml"  # what ruff formats with


def _generated() -> Path:
    for beside in (HOME, HOME.parent):  # not what is called so where somebody happens to be
        if (beside / "generated" / "__init__.py").is_file():
            return beside / "generated"
    found = find_spec("generated")
    return Path(found.submodule_search_locations[0]) if found and found.submodule_search_locations else HOME


GENERATED = _generated()  # the models that come with the tools
