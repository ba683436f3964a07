"""The page in the documentation and its place in the table of contents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from diagnostics.values import Diagnostic

from pull_request.edits.toctree import pages, section_of
from pull_request.layout import TOCTREE
from pull_request.verify.subject import Subject, finding


_DATE = re.compile(
    r"^\*This model was (?:published in HF papers on \d{4}-\d{2}-\d{2} and )?"
    r"contributed to Hugging Face Transformers on (\d{4}-\d{2}-\d{2})\.\*$",
    re.MULTILINE,
)
_AUTODOC = re.compile(r"^\[\[autodoc\]\] (\S+)\s", re.MULTILINE)
# Exported names that need no entry.
EXEMPT = ("PreTrainedModel", "Layer", "Attention", "Encoder", "Decoder", "Embeddings")


def dates(subject: Subject) -> Iterator[Diagnostic]:
    """A page says when the model was contributed, within a day of today."""
    page = subject.page
    found = _DATE.search(page.text)
    today = subject.setting.today
    wanted = f"*This model was contributed to Hugging Face Transformers on {today}.*"
    line = page.line(r"^-->$") + 1
    if page.text and not found:
        yield finding(
            page, line, "missing-date", "the page does not say when the model was contributed", f"add `{wanted}`"
        )
    elif found and abs((date.fromisoformat(found[1]) - today).days) > 1:
        message = f"the page says {found[1]}, which is not today's date"
        yield finding(page, page.line(_DATE.pattern), "stale-date", message, f"write `{wanted}`")


def documented(subject: Subject) -> Iterator[Diagnostic]:
    """Every exported name has an entry, and every entry is of something exported."""
    page = subject.page
    entries = _AUTODOC.findall(page.text)
    for file in (subject.configuration, subject.modeling):
        for name in file.exported:
            if name not in entries and not name.endswith(EXEMPT) and page.text:
                line = file.line(rf"\"{name}\"")
                fix = f"add `## {name}` and `[[autodoc]] {name}` to {page.path}, each with a newline behind it"
                yield finding(file, line, "undocumented-class", f"`{name}` has no entry on the page", fix)
    exported = {*subject.configuration.exported, *subject.modeling.exported}
    for name in entries:
        if name not in exported:
            fix = "remove the entry, or export the name"
            yield finding(
                page, page.line(rf"^\[\[autodoc\]\] {name}"), "unknown-entry", f"nothing exports `{name}`", fix
            )


def listed(subject: Subject) -> Iterator[Diagnostic]:
    """The page's entry in the table of contents, where that is at hand."""
    text = subject.tree.read(TOCTREE)
    if text is None:
        return
    found = pages(text)
    own = next((page for page in found if page.name == subject.page_name), None)
    if own is None:
        fix = f"add `- local: model_doc/{subject.page_name}` with its title to the section of its base"
        yield finding(TOCTREE, 1, "missing-page", f"there is no entry for model_doc/{subject.page_name}", fix)
        return
    titles = [page.title.lower() for page in section_of(text.splitlines(), found, own)]
    place = titles.index(own.title.lower())
    around = titles[max(place - 1, 0) : place + 2]
    if around != sorted(around):
        fix = "python utils/check_doc_toc.py --fix_and_overwrite"
        yield finding(
            TOCTREE,
            own.line + 1,
            "unsorted-page",
            f"`{own.title}` is not in the place that its title sorts it to",
            fix,
        )
