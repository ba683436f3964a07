"""A template of templates/ and values -> text."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from places import TEMPLATES


def render(template: str, **values: Any) -> str:
    """The text of `template` ("tests/modeling.j2", a path in templates/) with `values` filled in.

    Pure: the same template and values give the same text.

    Raises:
        jinja2.UndefinedError: the template asks for a value that is not given.
        jinja2.TemplateNotFound: there is no such template.
    """
    return environment().get_template(template).render(values)


@cache
def environment() -> Environment:
    """The one Jinja environment: strict about what is missing, and with the blanks that a reader sees."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
