"""`docs/source/en/_toctree.yml`: two lines for each page, sorted by lower-case title within their section."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pull_request.edits.ordering import ListEntry, insert, plain


_PAGE = re.compile(r"(\s*)- local: model_doc/(\S+)\s*$")
_TITLE = re.compile(r"\s*title: [\"']?(.*?)[\"']?\s*$")


@dataclass(frozen=True, slots=True)
class Page:
    """A page's entry."""

    name: str
    title: str
    line: int
    indent: str


def add_page(text: str, name: str, title: str, near: str) -> str:
    """The text with a page in the section of the page `near`, or of the text models where there is none of that name.

    As it is where it has that page already, or no section to put it in.

    Args:
        text: of the table of contents.
        name: of the page, without a folder or an ending.
        title: of the page, which a section is sorted by.
        near: the name of the page of the base.
    """
    found = pages(text)
    if any(page.name == name for page in found):
        return text
    neighbour = next((page for page in found if page.name in (near, near.replace("_", "-"))), None)
    neighbour = neighbour or next((page for page in found if page.name == "llama"), None)
    if neighbour is None:
        return text
    lines = text.splitlines(keepends=True)
    section = section_of(lines, found, neighbour)
    entries = [ListEntry(page.title.lower(), page.line) for page in section]
    new = f"{neighbour.indent}- local: model_doc/{name}\n{neighbour.indent}  title: {title}\n"
    return "".join(insert(lines, entries, _end(lines, section[-1]), title.lower(), new, plain))


def pages(text: str) -> list[Page]:
    """The pages about models in the file's order."""
    return list(_pages(text.splitlines()))


def section_of(lines: Sequence[str], found: Sequence[Page], page: Page) -> list[Page]:
    """The pages of the section that holds `page`."""
    inside = (len(page.indent),)
    first, last = page.line, page.line
    while first > 0 and _depth(lines[first - 1]) >= inside[0]:
        first -= 1
    while last + 1 < len(lines) and _depth(lines[last + 1]) >= inside[0]:
        last += 1
    return [each for each in found if first <= each.line <= last and each.indent == page.indent]


def _pages(lines: Sequence[str]) -> Iterator[Page]:
    for number, line in enumerate(lines):
        match = _PAGE.match(line)
        if match:
            near = (_TITLE.match(other) for other in lines[number + 1 : number + 3])
            title = next((other[1] for other in near if other), match[2])
            yield Page(match[2], title, number, match[1])


def _end(lines: Sequence[str], page: Page) -> int:
    """The number of the line after an entry."""
    last = page.line + 1
    while last < len(lines) and _depth(lines[last]) > len(page.indent):
        last += 1
    return last


def _depth(line: str) -> int:
    """How far a line is indented; an empty line belongs to what is around it."""
    return len(line) - len(line.lstrip(" ")) if line.strip() else 10_000
