"""What makes generated/ one package: its `__init__.py`, a template taken over word for word."""

from __future__ import annotations

from pathlib import Path

from converter.banner import seal
from converter.jobs import Job, Outcome
from converter.library import digest
from converter.outputs import survey
from converter.values import Layout, Target


TEMPLATE = "templates/generated_init.py"
_FILE = "__init__.py"


def entrance(project: Path) -> tuple[Outcome, ...]:
    """The outcome for generated/__init__.py, ready to be compared or written; none in a project without the template.

    The template carries the banner already, since what it is made from is itself.
    """
    template = project / TEMPLATE
    if not template.is_file():
        return ()
    target = Target("generated", Layout.PACKAGE, TEMPLATE, release="", strict=True)
    job = Job("generated", template, "generated", "generated", project / "generated", target)
    text = seal(template.read_text(encoding="utf-8"))
    return (Outcome(job, survey(job, {_FILE: digest(text.encode())}), {_FILE: text}),)
