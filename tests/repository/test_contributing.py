"""Where CONTRIBUTING.md sends people there is what it says, and it answers the questions that they have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "weaving.md"]
QUESTIONS = (
    "another architecture",
    "a merge rule",
    "a site",
    "a kind of gate",
    "a head",
    "a file kind",
    "a check",
    "a new release",
)
_PATH = re.compile(r"`((?:utils|tests|modular|templates|docs|generated|examples)/[\w./]+|constraints\.txt|\.ci/run)`")
_BARE = re.compile(r"`(\w+\.py)`")


def test_every_question_is_answered_by_files() -> None:
    sections = re.split(r"^### \.\.\. ", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[
        1:
    ]
    for question in QUESTIONS:
        [answer] = (each for each in sections if each.startswith(question))
        assert _PATH.search(answer), question


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(_PATH.findall(text))
    assert len(named) > 5
    examples = ("generated/quality_gate_x", "transformers/")
    missing = sorted(each for each in named if not (ROOT / each).exists() and not each.startswith(examples))
    assert missing == []


def test_bare_file_names_are_those_of_the_folder_named_before() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rule = next(each for each in text.split("### ... ") if each.startswith("a merge rule"))
    listed = set(_BARE.findall(rule.partition("1. ")[0]))
    assert listed and listed <= {path.name for path in (ROOT / "utils" / "converter" / "merge").glob("*.py")}


def test_links_lead_somewhere() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, anchor = link.partition("#")
        target = (ROOT / path).read_text(encoding="utf-8")
        titles = {
            re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.*)", target, re.MULTILINE)
        }
        assert not anchor or anchor in titles, link


def test_commands_that_are_named_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets
    scripts = re.findall(r"python ((?:utils|tests)/[\w/]+\.py)", text)
    assert scripts and [each for each in scripts if not (ROOT / each).is_file()] == []


def test_what_a_short_delta_is_shown_to_be_it_is() -> None:
    """The README and the page show Mistral's delta, as it is in modular/."""
    delta = (ROOT / "modular" / "modular_quality_gate_mistral.py").read_text(encoding="utf-8")
    assert delta in (ROOT / "README.md").read_text(encoding="utf-8")
    assert delta.partition("\n")[2] in (ROOT / "docs" / "weaving.md").read_text(encoding="utf-8")
