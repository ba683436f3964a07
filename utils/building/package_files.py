"""What makes generated/ one package: files that are templates taken over word for word, its `__init__.py` first."""

from __future__ import annotations

from pathlib import PurePosixPath

from converter.banner import seal
from converter.values import Layout, Target

from building.jobs import Job, Outcome
from building.library import digest
from building.outputs import survey
from building.workspace import Folders


TEMPLATE = "templates/generated_init.py"
# The others go with it. Template -> its file in generated/.
_FILES = {
    TEMPLATE: "__init__.py",
    "templates/generated_autos.py": "autos.py",
    "templates/generated_reach.py": "reach.py",
    "templates/generated_run.py": "run.py",
    "templates/generated_startup.py": "startup/sitecustomize.py",
    "templates/generated_training.py": "training.py",
}


def template_outcomes(folders: Folders) -> tuple[Outcome, ...]:
    """The outcome for each of these files, ready to be compared or written; none in a project without the template.

    The templates carry the banner already, since what they are made from is themselves.
    """
    return tuple(_outcome(folders, template) for template in _FILES if (folders.home / template).is_file())


def _outcome(folders: Folders, template: str) -> Outcome:
    below = PurePosixPath(_FILES[template])
    place = "generated" / below
    package = ".".join(place.parent.parts)
    name = package if template == TEMPLATE else f"{package}.{place.stem}"
    target = Target("generated", Layout.PACKAGE, template, release="", strict=True)
    job = Job(name, folders.home / template, name, package, folders.generated / below.parent, target)
    text = seal((folders.home / template).read_text(encoding="utf-8"))
    return Outcome(job, survey(job, {place.name: digest(text.encode())}), {place.name: text})
