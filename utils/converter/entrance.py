"""What makes generated/ one package: its `__init__.py`, a template taken over word for word."""

from __future__ import annotations

from converter.banner import seal
from converter.jobs import Job, Outcome
from converter.library import digest
from converter.outputs import survey
from converter.values import Layout, Target
from converter.workspace import Folders


TEMPLATE = "templates/generated_init.py"
_FILE = "__init__.py"


def entrance(folders: Folders) -> tuple[Outcome, ...]:
    """The outcome for generated/__init__.py, ready to be compared or written; none in a project without the template.

    The template carries the banner already, since what it is made from is itself.
    """
    template = folders.home / TEMPLATE
    if not template.is_file():
        return ()
    target = Target("generated", Layout.PACKAGE, TEMPLATE, release="", strict=True)
    job = Job("generated", template, "generated", "generated", folders.generated, target)
    text = seal(template.read_text(encoding="utf-8"))
    return (Outcome(job, survey(job, {_FILE: digest(text.encode())}), {_FILE: text}),)
