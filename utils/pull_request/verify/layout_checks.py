"""Files that are missing, and their headers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from diagnostics.values import Diagnostic
from rendering.render import render

from pull_request.layout import configuration_path
from pull_request.verify.subject import Subject, finding


_YEAR = re.compile(r"^# Copyright (\d{4}) .+", re.MULTILINE)
_BANNER = re.compile(r"#[^\n]*🚨[^\n]*\n(?:#[^\n]*\n){1,6}?#[^\n]*🚨[^\n]*\n")
OLDEST = 2023  # tests of weight initialisation skip themselves for configurations older than this


def missing_files(subject: Subject) -> Iterator[Diagnostic]:
    """A folder without `__init__.py` imports and tests well, and is left out of a wheel: nothing else notices."""
    for path in subject.required_files:
        if subject.tree.read(path) is None:
            yield finding(path, 1, "missing-file", "this file is missing", "export the model again, or write it")


def headers(subject: Subject) -> Iterator[Diagnostic]:
    """The licence, word for word, and its year."""
    wanted = render("pull_request/license.py.j2", year="", holders="").splitlines()[1:]
    for path in subject.python_files:
        file = subject.file(path)
        lines = without_banner(file.text).splitlines()
        year = _YEAR.match(lines[0]) if lines else None
        fix = "copy the Apache header of a neighbour, its first line with this year"
        if year is None or lines[1 : len(wanted) + 1] != wanted:
            yield finding(file, 1, "licence-header", "the licence header is missing or mangled", fix)
        elif path == configuration_path(subject.name) and int(year[1]) < OLDEST:
            message = f"{year[1]} turns off the test of weight initialisation, which reads this year"
            yield finding(file, file.line(_YEAR.pattern), "licence-year", message, fix)


def without_banner(text: str) -> str:
    """A generated file without the lines that say it is one."""
    banner = _BANNER.match(text)
    return text[banner.end() :] if banner else text
